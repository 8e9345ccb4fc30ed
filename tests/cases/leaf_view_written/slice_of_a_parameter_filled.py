# framework: torch
# outcome: raises
"""A helper that writes a slice, as an array library's would, meets a parameter; what it writes has a gradient too."""

import torch
from torch import nn


def slice_update(array, values):
    array[: len(values)] = values  #~ error[GS202]: was refused on
    return array


torch.manual_seed(0)
table, start = nn.Parameter(torch.randn(4, 2)), nn.Parameter(torch.randn(2, 2))
slice_update(table, start * 2).tanh().square().sum().backward()
print(table.grad.norm(), start.grad.norm())
