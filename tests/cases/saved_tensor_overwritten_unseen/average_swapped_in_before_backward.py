# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""Averaged weights are put under the parameters before the loss is differentiated."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

AVERAGE = torch.randn(3, 2)


def evaluated_in_between(x):
    weight = nn.Parameter(torch.ones(3, 2))
    loss = (x.unsqueeze(-1) * weight).pow(2).sum()
    weight.data = AVERAGE  #~ error[GS301]: was overwritten after
    return loss


x = torch.randn(4, 3, requires_grad=True)
evaluated_in_between(x).backward()
CHECKED = (evaluated_in_between, (x,))
