# framework: torch
# outcome: correct
"""A pass in eval mode and one in training mode use norms of their own."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

CLEAN = torch.randn(6, 3) * 4


def consistency(x):
    norm = nn.BatchNorm1d(3)
    loss = norm.eval()(x).pow(2).sum()
    nn.BatchNorm1d(3)(CLEAN)
    return loss


x = torch.randn(4, 3, requires_grad=True)
consistency(x).backward()
CHECKED = (consistency, (x,))
