# framework: torch
# outcome: wrong-gradient
"""A region reads a setting that a class holds, and arguments in a namespace; both are annealed before backward."""
#~ missed-by: static (only content tells)

from argparse import Namespace

import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Config:
    temperature = 2.0


def soft(x):
    return torch.softmax(x / Config.temperature, -1)


def weighted(x):
    return torch.sigmoid(x * arguments.weight)


def anneal():
    Config.temperature = 1.0  #~ error[GS354]: `temperature` was replaced


def lighten():
    arguments.weight = 0.5  #~ error[GS354]: `weight` was replaced


arguments = Namespace(weight=1.0)


def loss_of(x):
    setattr(Config, "temperature", 2.0)
    vars(arguments)["weight"] = 1.0
    loss = checkpoint(soft, x, use_reentrant=False).pow(2).sum()
    loss = loss + checkpoint(weighted, x, use_reentrant=False).pow(2).sum()
    anneal()
    lighten()
    return loss


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
