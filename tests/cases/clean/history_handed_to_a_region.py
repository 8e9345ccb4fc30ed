# framework: torch
# outcome: correct
"""A region is handed the entry of a list that it needs; what is appended later is not its affair."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Anchored(nn.Module):
    def forward(self, x, anchor):
        return torch.cosh(x - anchor)


block, anchors = Anchored(), [torch.zeros(4)]


def loss_of(x):
    total = 0.0
    for step in (0.5, 1.0):
        anchors.append(torch.full((4,), step))
        total = total + checkpoint(block, x, anchors[-1], use_reentrant=False).sum()
    return total


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
