# framework: torch
# outcome: raises
"""A learned bias is expanded over the batch and then noised in place, one number for all rows."""

import torch
from torch import nn


class NoisyBias(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, width))

    def forward(self, x):
        bias = (self.bias * 1).expand(len(x), -1).clone()
        bias.add_(torch.randn(len(x), 1))
        return x + bias


torch.manual_seed(0)
NoisyBias(3)(torch.randn(4, 3)).sum().backward()
