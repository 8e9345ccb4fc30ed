# framework: torch
# outcome: correct
"""A table that nobody saved is filled through a view, a loop and NumPy before it is used."""

import torch

torch.set_default_dtype(torch.float64)


def positions(length, width):
    table = torch.zeros(length, width)
    angle = torch.arange(length)[:, None] / 10 ** torch.arange(0, width, 2)
    table[:, 0::2] = torch.sin(angle)
    table[:, 1::2] = torch.cos(angle)
    table.numpy()[0] = 0.0
    return table


table = positions(3, 4)
x = torch.ones(3, 4, requires_grad=True)
(x * table).sum().backward()
CHECKED = (lambda x: (x * table).sum(), (torch.ones(3, 4, requires_grad=True),))
