# framework: torch
# outcome: correct
"""Multiplication by a number saves nothing of its result."""

import torch

torch.set_default_dtype(torch.float64)


def loss_of(x):
    y = x * 2
    y.add_(1)
    y *= 3
    y -= y.mean().detach()
    return (y * torch.arange(4.0)).sum()


x = torch.ones(4, requires_grad=True)
loss_of(x).backward()
CHECKED = (lambda x: (x * 2).add_(1).mul_(3).sum(), (torch.ones(4, requires_grad=True),))
