# framework: torch
# outcome: wrong-gradient
"""A search tries several steps of the weights from one line, and leaves the last one in place."""
#~ missed-by: static (the write is in a function of its own)

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

layer = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3))
start = [parameter.data.clone() for parameter in layer.parameters()]
direction = [torch.randn_like(parameter) for parameter in layer.parameters()]


def move_to(values):
    for parameter, value in zip(layer.parameters(), values):
        parameter.data.copy_(value)  #~ error[GS301]: was overwritten


def searched(x):
    move_to(start)
    out = layer(x.tanh()).pow(2).sum()
    for fraction in (1.0, 0.5, 0.25):
        move_to([value + fraction * each for value, each in zip(start, direction)])
        layer(x)
    return out


x = torch.randn(2, 3, requires_grad=True)
searched(x).backward()
CHECKED = (searched, (x,))
