# framework: torch
# outcome: correct
"""Gates are scaled in place: each is a slice of its own, and nothing saved the whole."""

import torch

torch.manual_seed(0)


def loss_of(x, weight):
    gates = x @ weight
    kept, new = gates[:, :2], gates[:, 2:]
    kept.mul_(0.5)
    new.add_(1)
    return gates.square().sum()


x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
weight = torch.randn(4, 4, dtype=torch.float64, requires_grad=True)
loss_of(x, weight).backward()
CHECKED = (loss_of, (x, weight))
