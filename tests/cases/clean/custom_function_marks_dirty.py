# framework: torch
# outcome: correct
"""An in-place custom Function, declared and returned."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx, grad):
        return grad * 2


def loss_of(x):
    h = x + 1
    return Double.apply(h).sum()


loss_of(torch.randn(3, requires_grad=True)).backward()
CHECKED = (loss_of, (torch.randn(3, requires_grad=True),))
