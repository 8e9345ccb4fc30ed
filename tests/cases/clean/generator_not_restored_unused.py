# framework: torch
# outcome: correct
"""A region that draws nothing, without the generator's state; one that draws, with it."""

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)


def squared(x):
    return torch.exp(x) * torch.sigmoid(x)


def dropped(x):
    return F.dropout(torch.exp(x), 0.5).pow(2)


def loss_of(x):
    torch.manual_seed(0)
    h = checkpoint(squared, x, use_reentrant=False, preserve_rng_state=False)
    return checkpoint(dropped, h, use_reentrant=False).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
