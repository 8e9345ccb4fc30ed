# framework: torch
# outcome: correct
"""A proximal term holds the weights against a copy, and what is scaled by its own value is written only before."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def pull(weight):
    weight = weight * 1.0
    anchor = weight.detach().clone()
    weight.mul_(0.8)
    one = torch.exp(weight - weight.detach())  # one, with the gradient of the weight
    return ((weight - anchor).pow(2) * one).sum()


def loss_of(weight):
    return torch.autograd.grad(pull(weight), weight, create_graph=True)[0].sum() * 0 + (0.8 * weight).pow(2).sum()


start = torch.randn(3, requires_grad=True)
loss_of(start).backward()
CHECKED = (loss_of, (start,))
