# framework: torch
# outcome: correct
"""Rows of padding are set to zero under `no_grad`, and only the others are read."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def pooled(x, length=2):
    hidden = x * 3
    with torch.no_grad():
        hidden[length:] = 0
    return hidden[:length].sum()


x = torch.randn(4, 3, requires_grad=True)
pooled(x).backward()
CHECKED = (pooled, (x,))
