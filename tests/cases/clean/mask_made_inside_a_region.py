# framework: torch
# outcome: correct
"""A region makes its own mask and keeps it for a log; a dict outside has another one by then."""

import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
log = {"mask": torch.zeros(3, 1)}


def masked(x):
    mask = torch.arange(3.0)[:, None]
    log["mask"] = mask
    return torch.tanh(x) * mask


def loss_of(x):
    loss = checkpoint(masked, x, use_reentrant=False).sum()
    log["mask"] = torch.ones(3, 1)
    return loss


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
