# framework: torch
# outcome: correct
"""A custom backward returns a new gradient."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * 2


def loss_of(x):
    left = x.exp()
    return (left + Double.apply(x)).pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
