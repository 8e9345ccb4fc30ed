# framework: torch
# outcome: correct
"""A boolean mask is narrowed by items of its own, with a copy as the index."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def steps(x):
    going, size = torch.ones(3, dtype=torch.bool), torch.full((3,), 4.0)
    for _ in range(2):
        going[going.clone()] = x.detach()[going] * size[going] > 1.0
        size[going] *= 0.5
    return (x * size).exp().sum()


x = torch.tensor([0.1, 0.4, 0.8]).requires_grad_()
steps(x).backward()
CHECKED = (steps, (x,))
