# framework: torch
# outcome: correct
"""A rollout buffer is cleared after its values were copied."""

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Rollout:
    def __init__(self, n_steps):
        self.advantage = np.linspace(-1.0, 1.0, n_steps)

    def clear(self):
        self.advantage[:] = 0.0


def loss_of(x):
    rollout = Rollout(3)
    loss = (x.sum(-1).sigmoid() * torch.tensor(rollout.advantage)).sum()
    rollout.clear()
    return loss


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
