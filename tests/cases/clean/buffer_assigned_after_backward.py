# framework: torch
# outcome: correct
"""A buffer is assigned before the region is run."""

import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Gate(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("gate", torch.full((4,), 0.5))

    def forward(self, x):
        return (x * self.gate).sin()


def loss_of(x):
    block = Gate()
    block.gate = torch.ones(4)
    hidden = checkpoint(block, x, use_reentrant=False)
    return hidden.sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
