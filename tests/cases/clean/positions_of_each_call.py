# framework: torch
# outcome: correct
"""Each call has a module of its own."""

import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Rotary(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.angles = torch.zeros(4)

    def forward(self, x):
        return x * self.angles.cos()


def loss_of(x):
    rotary = Rotary()
    total = 0.0
    for offset in range(2):
        rotary = Rotary()
        rotary.angles = torch.arange(4.0) + offset
        total = total + checkpoint(rotary, x, use_reentrant=False).sum()
    return total


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
