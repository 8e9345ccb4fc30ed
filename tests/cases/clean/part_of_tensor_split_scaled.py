# framework: torch
# outcome: correct
"""The parts of `tensor_split` are views each of its own, and may be written; those of `split` may not."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    hidden = x * 2
    left, right = torch.tensor_split(hidden, 2, dim=1)
    left.mul_(3)
    return (left + right).sum()


x = torch.randn(2, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
