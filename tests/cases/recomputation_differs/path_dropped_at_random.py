# framework: torch
# outcome: wrong-gradient
"""A region draws from Python's generator, whose state is not restored for the second run."""
#~ missed-by: static (only content tells)

import random

import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def scaled(x):
    keep = random.random()  #~ error[GS354]: it draws other random numbers
    return torch.tanh(x) * torch.full((4,), keep)


def loss_of(x):
    random.seed(0)
    return checkpoint(scaled, x, use_reentrant=False).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
