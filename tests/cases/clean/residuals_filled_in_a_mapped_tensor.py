# framework: torch
# outcome: correct
import torch


def residuals(x):
    out = x.new_zeros(2)
    out[0] = x.sum()
    out[1] = x.prod()
    return out


def loss(x):
    return torch.func.vmap(residuals)(x).square().sum()


CHECKED = (loss, (torch.arange(1.0, 7.0, dtype=torch.float64).view(2, 3).requires_grad_(),))
