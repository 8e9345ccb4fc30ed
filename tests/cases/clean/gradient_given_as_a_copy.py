# framework: torch
# outcome: correct
"""A second leaf is given a copy of a gradient, and both are trained."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    return (x * x).sum()


x = torch.randn(3, 4, requires_grad=True)
other = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
other.grad = x.grad.clone()
for _ in range(2):
    (loss_of(x) + (5 * other).sum()).backward()
CHECKED = (loss_of, (x,))
