# framework: torch
# outcome: raises
"""A network that nobody holds: it is gone, and its activation with it, before the backward finds what that wrote."""

import torch
from torch import nn


class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.clip = nn.Hardtanh(0.1, 0.9, inplace=True)  #~ label: constructed here

    def forward(self, x):
        share = torch.sigmoid(self.linear(x))  #~ label: saved its result here
        return self.clip(share)  #~ error[GS101]: modified in place after `sigmoid` saved it


def main():
    torch.manual_seed(0)
    Gate()(torch.ones(2, 3)).sum().backward()  #~ label: backward needed the saved value


main()
