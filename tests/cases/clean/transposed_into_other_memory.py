# framework: torch
# outcome: correct
"""A matrix is turned round into another one's place, or into its own by way of a copy."""

import torch


def symmetric(weight):
    both = weight.new_zeros(2, *weight.shape)
    both[0] = weight.sin()
    both[1] = both[0].transpose(0, 1)
    both[0] = both[0].transpose(0, 1).clone()
    total = weight * 2
    total += total.t().clone()
    total -= weight.t()
    return both.sum(0) + total


def loss_of(weight):
    return symmetric(weight).pow(2).sum()


torch.manual_seed(0)
weight = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
loss_of(weight).backward()
CHECKED = (loss_of, (weight,))
