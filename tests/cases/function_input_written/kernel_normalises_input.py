# framework: torch
# outcome: wrong-gradient
"""A kernel given a pointer normalises the input."""
#~ missed-by: static (only content tells)

import ctypes

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

def kernel(address, n):
    values = (ctypes.c_double * n).from_address(address)
    for at in range(n):
        values[at] = max(values[at], 0.0)  #~ error[GS352]: overwrote its input without announcing it


class Positive(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        values = x
        kernel(values.data_ptr(), values.numel())
        return values * 1

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output


def loss_of(x):
    hidden = x * 2
    return Positive.apply(hidden).sum() + hidden.pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
