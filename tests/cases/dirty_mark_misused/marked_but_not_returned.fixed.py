# framework: torch
# outcome: raises
"""A custom shift marks its input dirty and returns something else."""

import torch
from torch import nn


class ShiftThenScale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        x = x.clone()
        x.add_(1)
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return grad * 2


torch.manual_seed(0)
hidden = nn.Linear(3, 3)(torch.randn(2, 3))
ShiftThenScale.apply(hidden).sum().backward()
