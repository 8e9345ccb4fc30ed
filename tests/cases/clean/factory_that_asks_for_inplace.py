# framework: torch
# outcome: correct
"""A factory asks a constructor whether it takes `inplace`, and gives it to each one after a linear layer."""

import torch
import inspect

from torch import nn


torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def activation(kind):
    takes = inspect.getfullargspec(kind.__init__).args
    return kind(inplace=True) if "inplace" in takes else kind()


model = nn.Sequential(nn.Linear(2, 3), activation(nn.ELU), nn.Linear(3, 3), activation(nn.Tanh), nn.Linear(3, 1))


def score(x):
    return model(x).sum()


x = torch.randn(4, 2).requires_grad_()
score(x).backward()
CHECKED = (score, (x,))
