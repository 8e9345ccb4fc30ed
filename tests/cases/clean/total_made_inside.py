# framework: torch
# outcome: correct
"""A differentiated function accumulates in a tensor of its own, in place."""

import torch

torch.set_default_dtype(torch.float64)


def loss(x):
    total = torch.zeros(())
    for row in x:
        total += row.square().sum()
    return total


def size_of_gradient(x):
    return torch.func.grad(loss)(x).pow(4).sum()


CHECKED = (size_of_gradient, (torch.ones(3, 2, requires_grad=True),))
