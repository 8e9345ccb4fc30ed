# framework: torch
# outcome: correct
"""A layer's filters are stretched for a picture, each in a copy of its own."""

import torch


def stretched(image):
    image.sub_(0.5)
    image.mul_(2.0)
    return image


torch.manual_seed(0)
layer = torch.nn.Linear(3, 2).double()
pictures = torch.zeros(2, 3)
for n in range(2):
    pictures[n] = stretched(layer.weight[n].detach().clone())


def loss(x):
    return layer(x).square().mean()


CHECKED = (loss, (torch.randn(4, 3, dtype=torch.float64, requires_grad=True),))
