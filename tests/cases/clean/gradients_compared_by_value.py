# framework: torch
# outcome: correct
"""A gradient is kept as a copy, and one that was kept by reference is compared before anything is written to it."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

weight = torch.nn.Parameter(torch.randn(3))
previous = None
for step in range(3):
    weight.pow(step + 2).sum().backward()
    current = weight.grad
    same = weight.grad - current  # nothing was written: they are equal
    change = torch.zeros(3) if previous is None else weight.grad - previous
    previous = weight.grad.detach().clone()
    with torch.no_grad():
        weight.sub_(0.1 * weight.grad + 0.01 * change + same)


def loss_of(x):
    return (x * weight.detach()).pow(2).sum()


x = torch.randn(3, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
