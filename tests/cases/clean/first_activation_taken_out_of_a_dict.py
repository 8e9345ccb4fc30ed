# framework: torch
# outcome: correct
"""The first activation of a dict of layers is taken out, or replaced by one that makes a new tensor."""

from collections import OrderedDict

import torch
from torch import nn

torch.set_default_dtype(torch.float64)


class Unit(nn.Module):
    def __init__(self, width, *, begins_active):
        super().__init__()
        self.shortcut = nn.Linear(width, width)
        layers = OrderedDict()
        for place in range(2):
            layers["act%d" % (place + 1)] = nn.ReLU(inplace=True)
            layers["lin%d" % (place + 1)] = nn.Linear(width, width)
        if begins_active:
            layers["act1"] = nn.ReLU()
        else:
            del layers["act1"]
        self.layers = nn.Sequential(layers)

    def forward(self, x):
        shortcut = self.shortcut(x)
        return self.layers(x) + shortcut


class Trunk(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.shortcut = nn.Linear(width, width)
        self.layers = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(width, width), nn.Tanh())
        del self.layers[0]

    def forward(self, x):
        shortcut = self.shortcut(x)
        return self.layers(x) + shortcut


torch.manual_seed(0)
net = nn.Sequential(Unit(3, begins_active=False), Unit(3, begins_active=True), Trunk(3))


def loss_of(x):
    return net(x).square().sum()


x = torch.randn(2, 3, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
