# framework: torch
# outcome: correct
"""Storages and pointers of saved tensors are asked for, and only read; a copy's storage is filled."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    gate = torch.full((3, 4), 2.0)
    loss = (x * gate).tanh().sum()
    n_bytes = gate.untyped_storage().nbytes() + gate.data_ptr() % 8
    gate.clone().untyped_storage().fill_(0)
    return loss * (n_bytes / n_bytes)


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
