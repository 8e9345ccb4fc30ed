# framework: torch
# outcome: correct
"""Arrays of values with history: one is copied before it is clipped, one belongs to a value that is used no more, and
one is followed by a write that the tape knows."""

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    action = x + 1
    clipped = action.detach().numpy().copy()
    np.clip(clipped, -0.5, 0.5, out=clipped)
    proposal = x + 2
    loss = proposal.sum()
    scaled = proposal.detach().numpy()
    scaled *= 3.0
    shifted = x * 2
    before = shifted.detach().numpy()
    shifted.add_(1.0)
    return loss + action.pow(2).sum() + shifted.pow(3).sum() + float(before.size)


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
