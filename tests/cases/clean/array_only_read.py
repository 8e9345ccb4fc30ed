# framework: torch
# outcome: correct
"""Memory that is shared with NumPy is read between forward and backward, and written only after."""

import numpy
import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    scale = torch.arange(1.0, 5.0)
    array = scale.numpy()
    total = (x * scale).sin().sum()
    assert numpy.isfinite(array).all()
    return total


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
