# framework: torch
# outcome: correct
"""A log of an activation divides a copy of it."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def log_statistics(hidden):
    flat = hidden.detach().clone()
    flat /= flat.std()
    return flat.mean().item()


def loss_of(x):
    hidden = x @ torch.ones(3, 3)
    log_statistics(hidden)
    return hidden.pow(2).sum()


x = torch.randn(2, 3, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
