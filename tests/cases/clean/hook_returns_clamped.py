# framework: torch
# outcome: correct
"""A tensor hook returns a scaled gradient."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def halve(gradient):
    return gradient * 1.0


def loss_of(x):
    right = x * 3
    left = x.exp()
    left.register_hook(halve)
    return (right + left).pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
