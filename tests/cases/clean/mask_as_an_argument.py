# framework: torch
# outcome: correct
"""A mask is an argument of the checkpointed call."""

import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Block(torch.nn.Module):
    mask = None

    def forward(self, x):
        return torch.tanh(x * self.mask)


class Masked(torch.nn.Module):
    def forward(self, x, mask):
        return torch.tanh(x * mask)


def loss_of(x):
    block, plain = Block(), Masked()
    total = 0.0
    for mask in (torch.tensor([1.0, 0.0, 1.0, 0.0]), torch.tensor([0.0, 1.0, 0.0, 1.0])):
        block.mask = mask
        total = total + checkpoint(plain, x, mask, use_reentrant=False).sum()
    return total + plain(x, 0.0).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
