# framework: torch
# outcome: correct
"""A fused step between a loss and its backward updates parameters that have no part in it."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

WEIGHT = torch.randn(3, 2)


def twice(x):
    weight = nn.Parameter(WEIGHT.clone())
    other = nn.Parameter(WEIGHT.clone())
    optimizer = torch.optim.AdamW([weight, other], lr=0.5, weight_decay=0.5, fused=True)
    loss = (x @ weight).pow(2).mean()
    other.sum().backward()  # `weight` has no gradient: the step leaves it as it is
    optimizer.step()
    return loss


x = torch.randn(2, 3, requires_grad=True)
twice(x).backward()
CHECKED = (twice, (x,))
