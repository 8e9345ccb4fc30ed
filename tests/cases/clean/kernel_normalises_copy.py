# framework: torch
# outcome: correct
"""A kernel given a pointer normalises a copy."""

import ctypes

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def kernel(address, n):
    values = (ctypes.c_double * n).from_address(address)
    for at in range(n):
        values[at] = max(values[at], 0.0)


class Positive(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        values = x.clone()
        kernel(values.data_ptr(), values.numel())
        ctx.is_positive = values > 0
        return values * 1

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.is_positive


def loss_of(x):
    hidden = x * 2
    return Positive.apply(hidden).sum() + hidden.pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
