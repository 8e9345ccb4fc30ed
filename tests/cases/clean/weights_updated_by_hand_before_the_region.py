# framework: torch
# outcome: correct
"""Weights are updated under `no_grad` before a checkpointed region runs at all."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

WEIGHT = torch.randn(3, 3)


def delayed(x):
    layer = nn.Linear(3, 3, bias=False)
    layer.weight.data.copy_(WEIGHT)
    with torch.no_grad():
        for p in layer.parameters():
            p.sub_(0.5)
    return checkpoint(layer, x, use_reentrant=False).pow(2).sum()


x = torch.randn(2, 3, requires_grad=True)
delayed(x).backward()
CHECKED = (delayed, (x,))
