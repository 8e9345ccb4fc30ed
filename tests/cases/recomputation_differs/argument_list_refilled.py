# framework: torch
# outcome: wrong-gradient
"""A region replaces the entry of the list that it is given, and is run again with what it left there."""
#~ missed-by: static (only content tells)

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Residual(nn.Module):
    def forward(self, held):
        x = held[0]
        x = x + torch.sin(2 * x)
        held[0] = x  #~ error[GS354]: `held` was given other entries
        return x


block = Residual()


def loss_of(x):
    h = x * 1.0
    for _ in range(2):
        h = checkpoint(block, [h], use_reentrant=False)
    return h.pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
