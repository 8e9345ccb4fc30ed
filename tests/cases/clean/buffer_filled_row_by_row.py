# framework: torch
# outcome: correct
"""Rows of a fresh tensor are filled one by one; nothing of it is saved before it is full."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
layer = nn.Linear(3, 3)


def run(x):
    out = torch.zeros(4, x.shape[0], 3)
    state = x
    for t in range(4):
        state = torch.tanh(layer(state))
        out[t] = state
    return out.pow(2).sum()


run(torch.randn(2, 3)).backward()
CHECKED = (run, (torch.randn(2, 3, requires_grad=True),))
