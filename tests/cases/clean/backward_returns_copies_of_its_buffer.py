# framework: torch
# outcome: correct
"""A custom backward computes in a buffer of its own and returns a copy of it."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

buffer = torch.zeros(3, 4)


class Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.save_for_backward(factor)
        return x * factor

    @staticmethod
    def backward(ctx, grad_output):
        (factor,) = ctx.saved_tensors
        buffer.copy_(grad_output).mul_(factor)
        return buffer.clone(), None


def loss_of(x):
    factors = (torch.full((4,), 2.0), torch.full((4,), 5.0))
    return sum(Product.apply(x, factor).sum() for factor in factors)


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
