# framework: torch
# outcome: correct
"""Each step has a factor of its own."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x * factor

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.factor, None


def loss_of(x):
    total, factor = 0.0, torch.empty(4)
    for step in (1.0, 2.0):
        factor = torch.full((4,), step)
        total = total + Scale.apply(x, factor).sum()
    return total


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
