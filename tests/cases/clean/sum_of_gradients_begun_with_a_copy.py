# framework: torch
# outcome: correct
"""Sums over batches that begin with a copy, or with a tensor that the leaf lets go of; a gradient that is doubled."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

weight = torch.nn.Parameter(torch.randn(4))
optimizer = torch.optim.SGD([weight], lr=0.1)


def total_of(batches, *, copies):
    total = None
    for batch in batches:
        optimizer.zero_grad(set_to_none=not copies)
        (batch * weight).sin().sum().backward()
        gradient = weight.grad.clone() if copies else weight.grad
        if total is None:
            total = gradient
        else:
            total += gradient
    return total


batches = torch.randn(3, 2, 4)
assert torch.equal(total_of(batches, copies=True), total_of(batches, copies=False))
doubled = weight.grad
doubled.add_(doubled)
optimizer.step()


def loss_of(x):
    return (x * weight).sin().sum()


CHECKED = (loss_of, (torch.randn(2, 4, requires_grad=True),))
