# framework: torch
# outcome: correct
"""Averaged weights are put under the parameters for an evaluation, and taken back before the backward."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

AVERAGE = torch.randn(3, 2)


def evaluated_in_between(x):
    weight = nn.Parameter(torch.ones(3, 2))
    loss = (x.unsqueeze(-1) * weight).pow(2).sum()
    weight.data, kept = AVERAGE, weight.data
    with torch.no_grad():
        (x.unsqueeze(-1) * weight).sum()
    weight.data = kept
    return loss


x = torch.randn(4, 3, requires_grad=True)
evaluated_in_between(x).backward()
CHECKED = (evaluated_in_between, (x,))
