# framework: torch
# outcome: correct
"""The mask is an argument of the checkpointed block, a new one for each micro-batch."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.mask = torch.ones(3)

    def forward(self, x, mask):
        return (x * mask).exp()


def two_batches(x):
    block = Block()
    loss = checkpoint(block, x, block.mask.clone(), use_reentrant=False).sum()
    block.mask.mul_(3)
    return loss


x = torch.randn(2, 3, requires_grad=True)
two_batches(x).backward()
CHECKED = (two_batches, (x,))
