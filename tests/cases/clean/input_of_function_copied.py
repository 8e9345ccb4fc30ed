# framework: torch
# outcome: correct
"""A custom Function keeps its input, and the caller writes to a copy."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.x = x
        return x**3

    @staticmethod
    def backward(ctx, grad_output):
        x = ctx.x
        return 3 * x**2 * grad_output


def loss_of(x):
    hidden = x * 2
    cubed = Cube.apply(hidden)
    other = hidden.detach().clone()
    other.mul_(2)
    return cubed.sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
