# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""The mask that a checkpointed block reads is filled again for the next micro-batch."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.mask = torch.ones(3)

    def forward(self, x):
        return (x * self.mask).exp()  #~ label: backward runs it again


def two_batches(x):
    block = Block()
    loss = checkpoint(block, x, use_reentrant=False).sum()
    block.mask.mul_(3)  #~ error[GS401]: before the checkpointed region that reads it
    return loss


x = torch.randn(2, 3, requires_grad=True)
two_batches(x).backward()
CHECKED = (two_batches, (x,))
