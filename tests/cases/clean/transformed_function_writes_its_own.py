# framework: torch
# outcome: correct
"""A function under `torch.func.vmap` writes in place what it has made itself and what nothing saved."""

import torch
from torch.func import vmap

torch.manual_seed(0)


def member(weights, x):
    h = weights @ x
    h += 1
    return h.tanh()


def loss_of(weights, x):
    return vmap(member, in_dims=(0, None))(weights, x).square().sum()


weights = torch.randn(3, 2, 4, dtype=torch.float64, requires_grad=True)
x = torch.randn(4, dtype=torch.float64)
loss_of(weights, x).backward()
CHECKED = (loss_of, (weights, x))
