# framework: torch
# outcome: raises
"""An in-place activation is applied to a parameter."""

import torch
from torch import nn


class InplaceLeaky(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x > 0)
        ctx.mark_dirty(x)  #~ error[GS210]: but it is a leaf that requires grad
        x[x < 0] *= 0.1
        return x

    @staticmethod
    def backward(ctx, grad):
        (positive,) = ctx.saved_tensors
        return torch.where(positive, grad, grad * 0.1)


scale = nn.Parameter(torch.tensor([-1.0, 2.0]))
InplaceLeaky.apply(scale).sum().backward()  #~ label: raised here
