# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""A pass in eval mode is differentiated after a pass in training mode has updated the statistics."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

CLEAN = torch.randn(6, 3) * 4


def consistency(x):
    norm = nn.BatchNorm1d(3)
    loss = norm.eval()(x).pow(2).sum()  #~ label: saved its
    norm.train()(CLEAN)  #~ error[GS306]: were updated by a forward pass in training mode
    return loss


x = torch.randn(4, 3, requires_grad=True)
consistency(x).backward()
CHECKED = (consistency, (x,))
