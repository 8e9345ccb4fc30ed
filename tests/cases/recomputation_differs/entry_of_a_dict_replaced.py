# framework: torch
# outcome: wrong-gradient
"""A dict that a region reads has another mask by the time the region is run again."""
#~ missed-by: static (only content tells)

import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

state = {"mask": None}


def masked(x):
    return torch.tanh(x) * state["mask"]


def loss_of(x):
    total = 0.0
    for step in (1.0, 2.0):
        state["mask"] = torch.full((3, 1), step)  #~ error[GS354]: `mask` was replaced
        total = total + checkpoint(masked, x, use_reentrant=False).sum()
    return total


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
