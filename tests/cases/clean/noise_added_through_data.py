# framework: torch
# outcome: correct
"""A constant that is added through .data breaks no derivative."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

noise = torch.randn(3, 4)


def loss_of(x):
    h = x * 2
    h.data.add_(noise)
    h.data.addcmul_(noise, noise, value=0.5)
    return h.pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
