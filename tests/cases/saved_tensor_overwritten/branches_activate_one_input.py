# framework: torch
# outcome: raises
#~ missed-by: fix (without the flag the branches see another input)
"""Two branches are given one tensor, and each begins with an activation in place."""

import torch
from torch import nn


class Branch(nn.Module):
    def __init__(self, slope):
        super().__init__()
        self.body = nn.Sequential(nn.LeakyReLU(slope, inplace=True), nn.Linear(3, 2))

    def forward(self, x):
        return self.body(x)  #~ error[GS101]: `x` was modified in place  #~ label: modified here by `branches.1.body.0`


class Cell(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(4, 3)
        self.branches = nn.ModuleList(Branch(slope) for slope in (0.1, 0.3))

    def forward(self, x):
        h = self.stem(x)
        return sum(branch(h) for branch in self.branches)


torch.manual_seed(0)
cell = Cell()
cell(torch.randn(5, 4)).square().mean().backward()  #~ label: backward needed the saved value
