# framework: torch
# outcome: correct
"""The array of a value with history is read, and a copy of it is sorted."""

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    h = x * 2
    values = h.detach().numpy()
    ranked = np.sort(values, axis=None)
    ranked -= values.mean()
    return h.pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
