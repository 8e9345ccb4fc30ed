# framework: torch
# outcome: correct
"""A network that nobody holds, whose activation works in place on what nothing saved."""

import torch
from torch import nn


class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.clip = nn.Hardtanh(-0.9, 0.9, inplace=True)

    def forward(self, x):
        return self.clip(self.linear(x)).sum()


torch.manual_seed(0)
Gate()(torch.ones(2, 3)).backward()

CHECKED = (Gate().double(), (torch.rand(2, 3, dtype=torch.float64, requires_grad=True),))
