# framework: torch
# outcome: correct
"""A custom activation writes its input, says so and returns it; it is given a copy."""

import torch

torch.manual_seed(0)


class Shift(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        x.add_(1)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def loss_of(x):
    h = x.exp()
    return Shift.apply(h.clone()).square().sum() + h.sum()


x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
