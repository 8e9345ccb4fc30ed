# framework: torch
# outcome: correct
"""A region counts its own calls, draws numbers and reads an array; its values are the same the second time."""

import random

import numpy as np
import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

weights = np.linspace(0.1, 1.0, 4)


class Counted(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("n", torch.zeros(()))
        self.last_draw = 0.0

    def forward(self, x):
        self.n += 1
        self.last_draw = random.random()
        return torch.tanh(x) * torch.from_numpy(weights)


block = Counted()


def loss_of(x):
    return checkpoint(block, x * 1, use_reentrant=False).sum()


x = torch.randn(3, 4, requires_grad=True)
for step in range(2):
    loss_of(x).backward()
    weights[:] = weights + 0.1
CHECKED = (loss_of, (x,))
