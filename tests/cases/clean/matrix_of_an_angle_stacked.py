# framework: torch
# outcome: correct
"""A matrix is built of what is mapped, instead of being filled with it."""

import torch

torch.set_default_dtype(torch.float64)


def rotation(angle):
    cosine, sine = torch.cos(angle), torch.sin(angle)
    return torch.stack([torch.stack([cosine, -sine]), torch.stack([sine, cosine])])


def loss_of(angles):
    return torch.func.vmap(rotation)(angles).exp().sum()


CHECKED = (loss_of, (torch.ones(3, requires_grad=True),))
