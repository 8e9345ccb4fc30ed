# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""Weights are updated under `no_grad` before a checkpointed region is run again."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

WEIGHT = torch.randn(3, 3)


def delayed(x):
    layer = nn.Linear(3, 3, bias=False)
    layer.weight.data.copy_(WEIGHT)
    loss = checkpoint(layer, x, use_reentrant=False).pow(2).sum()
    with torch.no_grad():
        for p in layer.parameters():
            p.sub_(0.5)  #~ error[GS401]: before the checkpointed region that reads it
    return loss


x = torch.randn(2, 3, requires_grad=True)
delayed(x).backward()
CHECKED = (delayed, (x,))
