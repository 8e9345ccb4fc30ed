# framework: torch
# outcome: correct
"""A region reads a setting that a class holds; it is annealed once backward has run."""

import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Config:
    temperature = 2.0
    n_calls = 0


def soft(x):
    return torch.softmax(x / Config.temperature, -1)


def loss_of(x):
    Config.n_calls += 1
    return checkpoint(soft, x, use_reentrant=False).pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
(loss_of(x) + loss_of(x)).backward()
Config.temperature /= 2
CHECKED = (loss_of, (x,))
