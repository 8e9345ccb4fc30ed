# framework: torch
# outcome: wrong-gradient
"""A region reads the last entry of a list of its module, and the program appends to the list before backward."""
#~ missed-by: static (only content tells)

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Anchored(nn.Module):
    def __init__(self):
        super().__init__()
        self.anchors = [torch.zeros(4)]

    def forward(self, x):
        return torch.cosh(x - self.anchors[-1])


block = Anchored()


def loss_of(x):
    total = 0.0
    for step in (0.5, 1.0):
        block.anchors.append(torch.full((4,), step))  #~ error[GS354]: `anchors` was given other entries
        total = total + checkpoint(block, x, use_reentrant=False).sum()
    return total


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
