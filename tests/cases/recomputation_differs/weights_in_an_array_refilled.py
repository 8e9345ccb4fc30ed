# framework: torch
# outcome: wrong-gradient
"""A region reads an array that the next step fills anew."""
#~ missed-by: static (only content tells)

import numpy as np
import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

weights = np.ones((3, 1))


def weighted(x):
    return torch.tanh(x) * torch.from_numpy(weights)


def loss_of(x):
    total = 0.0
    for step in (1.0, 2.0):
        weights[:] = step  #~ error[GS354]: `weights` was overwritten
        total = total + checkpoint(weighted, x, use_reentrant=False).sum()
    return total


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
