# framework: torch
# outcome: correct
"""A region is given a list that nobody refills; what it appends to is its own."""

import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def pooled(values):
    parts = []
    for value in values:
        parts.append(torch.sin(value))
    return torch.stack(parts).sum(0)


def loss_of(x):
    values = [x * 2, x * 3]
    y = checkpoint(pooled, values, use_reentrant=False)
    return y.pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
