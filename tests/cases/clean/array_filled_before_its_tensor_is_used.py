# framework: torch
# outcome: correct
"""An array is filled anew before each use of the tensor over it, which is copied."""

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    buffer = np.empty((3, 4))
    shared, total = torch.from_numpy(buffer), 0.0
    for step in (1.0, 2.0):
        buffer[:] = step
        total = total + (x * shared.clone()).pow(2).sum()
    return total


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
