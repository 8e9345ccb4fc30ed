# framework: torch
# outcome: correct
"""A Function leaves what its backward needs on an object that belongs to one call."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Scratch:
    pass


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.scratch = Scratch()
        ctx.scratch.value = x.clone()
        return x * x

    @staticmethod
    def backward(ctx, grad_output):
        return 2 * grad_output * ctx.scratch.value


def loss_of(x):
    return Square.apply(x).sum() + Square.apply(3 * x).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
