# framework: torch
# outcome: raises
"""A learned threshold is moved by hand, outside `no_grad`."""

import torch
from torch import nn


class Threshold(nn.Module):
    def __init__(self):
        super().__init__()
        self.level = nn.Parameter(torch.zeros(3))

    def raise_level(self, amount):
        with torch.no_grad():
            self.level += amount

    def forward(self, x):
        return torch.relu(x - self.level)


torch.manual_seed(0)
threshold = Threshold()
threshold(torch.randn(2, 3)).sum().backward()
threshold.raise_level(0.1)
