# framework: torch
# outcome: correct
import torch


def energy(x):
    total = torch.zeros((), dtype=x.dtype)
    for each in x:
        total += each.square()
    return total


def loss(x):
    return torch.func.grad(energy)(x).pow(3).sum()


CHECKED = (loss, (torch.arange(1.0, 4.0, dtype=torch.float64).requires_grad_(),))
