# framework: torch
# outcome: correct
"""A small constant is added in place to a sum of squares, which nothing has saved."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def directions(x):
    squared = x.square().sum(dim=-1, keepdim=True)
    squared += 1e-6
    return (x / squared.sqrt()).sin().sum()


x = torch.randn(3, 3).requires_grad_()
directions(x).backward()
CHECKED = (directions, (x,))
