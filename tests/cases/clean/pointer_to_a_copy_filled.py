# framework: torch
# outcome: correct
"""Foreign code fills the memory of a copy."""

import ctypes

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def normalize(address, n):
    values = (ctypes.c_double * n).from_address(address)
    for at in range(n):
        values[at] /= 2.0


def loss_of(x):
    weight = torch.full((4,), 3.0)
    scaled = (x * weight).sum()
    other = weight.clone()
    normalize(other.data_ptr(), 4)
    return scaled


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
