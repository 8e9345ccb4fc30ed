# framework: torch
# outcome: correct
"""A search tries several steps of the weights from one line, and puts them back when none is taken."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

layer = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3))
direction = [torch.randn_like(parameter) for parameter in layer.parameters()]


def move_to(values):
    for parameter, value in zip(layer.parameters(), values):
        parameter.data.copy_(value)


def searched(x):
    out = layer(x.tanh()).pow(2).sum()
    start = [parameter.data.clone() for parameter in layer.parameters()]
    for fraction in (1.0, 0.5, 0.25):
        move_to([value + fraction * each for value, each in zip(start, direction)])
        layer(x)  # makes nodes, so that the writes are no longer one group
    move_to(start)
    return out


x = torch.randn(2, 3, requires_grad=True)
for _ in range(2):
    searched(x).backward()
CHECKED = (searched, (x,))
