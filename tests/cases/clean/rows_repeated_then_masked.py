# framework: torch
# outcome: correct
"""A mask is repeated, so each row has memory of its own, and is edited for each sample."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    mask = torch.ones(1, 4).repeat(3, 1)
    for i, n in enumerate([4, 2, 3]):
        mask[i, n:] = 0
    return (x * mask).pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
