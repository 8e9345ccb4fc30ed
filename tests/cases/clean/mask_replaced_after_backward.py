# framework: torch
# outcome: correct
"""What a checkpointed region reads is replaced once backward has run the region again."""

import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Masked(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.mask = torch.ones(4)

    def forward(self, x):
        return torch.tanh(x * self.mask)


block = Masked()


def loss_of(x):
    return checkpoint(block, x, use_reentrant=False).sum()


x = torch.randn(3, 4, requires_grad=True)
for step in range(2):
    loss_of(x).backward()
    block.mask = torch.full((4,), 1.0 + step)
CHECKED = (loss_of, (x,))
