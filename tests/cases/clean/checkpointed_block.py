# framework: torch
# outcome: correct
"""A checkpointed block with an in-place activation on a fresh result."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
block = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True), nn.Linear(3, 3))


def loss_of(x):
    return checkpoint(block, x, use_reentrant=False).pow(2).sum()


loss_of(torch.randn(2, 3, requires_grad=True)).backward()
CHECKED = (loss_of, (torch.randn(2, 3, requires_grad=True),))
