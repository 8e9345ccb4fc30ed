# framework: torch
# outcome: raises
"""An in-place activation is applied to a parameter."""

import torch
from torch import nn


class InplaceLeaky(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        x = x.clone()
        ctx.save_for_backward(x > 0)
        x[x < 0] *= 0.1
        return x

    @staticmethod
    def backward(ctx, grad):
        (positive,) = ctx.saved_tensors
        return torch.where(positive, grad, grad * 0.1)


scale = nn.Parameter(torch.tensor([-1.0, 2.0]))
InplaceLeaky.apply(scale).sum().backward()
