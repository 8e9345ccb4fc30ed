# framework: torch
# outcome: wrong-gradient
"""Losses are collected in a new tensor: only what is added beside it still has a gradient."""
#~ missed-by: static (what torch.tensor is given)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    losses = [(x[i] ** 2).mean() for i in range(3)]
    return torch.tensor(losses, requires_grad=True).sum() + x.sum()  #~ error[GS305]: wrapped as a new tensor


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
