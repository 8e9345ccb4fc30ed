# framework: torch
# outcome: correct
"""Gradients are views of one bucket; it is scaled as a whole after backward and zeroed before the next."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x, other):
    return (x * x).sum() + (3 * other).sum()


x = torch.randn(3, 4, requires_grad=True)
other = torch.randn(5, requires_grad=True)
bucket = torch.zeros(17)
x.grad, other.grad = bucket[:12].view(3, 4), bucket[12:]
for _ in range(2):
    bucket.zero_()
    loss_of(x, other).backward()
    bucket.mul_(0.5)
CHECKED = (loss_of, (x, other))
