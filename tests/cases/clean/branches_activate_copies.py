# framework: torch
# outcome: correct
"""Two branches of one tensor activate what they computed themselves, in place."""

import torch
from torch import nn


class Branch(nn.Module):
    def __init__(self, slope):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 2), nn.LeakyReLU(slope, inplace=True))

    def forward(self, x):
        return self.body(x)


torch.manual_seed(0)
branches = nn.ModuleList(Branch(slope) for slope in (0.1, 0.3)).double()


def run(x):
    return sum(branch(x) for branch in branches).square().mean()


CHECKED = (run, (torch.randn(5, 3, dtype=torch.float64, requires_grad=True),))
