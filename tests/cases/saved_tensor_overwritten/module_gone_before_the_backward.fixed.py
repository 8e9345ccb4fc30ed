# framework: torch
# outcome: raises
"""A network that nobody holds: it is gone, and its activation with it, before the backward finds what that wrote."""

import torch
from torch import nn


class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.clip = nn.Hardtanh(0.1, 0.9, inplace=False)

    def forward(self, x):
        share = torch.sigmoid(self.linear(x))
        return self.clip(share)


def main():
    torch.manual_seed(0)
    Gate()(torch.ones(2, 3)).sum().backward()


main()
