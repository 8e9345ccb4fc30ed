# framework: torch
# outcome: correct
"""Fixed atoms are written into the coordinates before anything is computed from them."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

fixed = torch.randn(2, 3)


def energy(x):
    places = torch.zeros(4, 3)
    places[:2] = x
    places[2:] = fixed
    gaps = places.unsqueeze(0) - places.unsqueeze(1)
    return gaps.square().sum(-1).exp().neg().sum() / 1e3


x = (torch.randn(2, 3) / 4).requires_grad_()
energy(x).backward()
CHECKED = (energy, (x,))
