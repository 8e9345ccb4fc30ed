# framework: torch
# outcome: correct
"""A shortcut is added in place to blocks whose layers are optional, none of which keeps what it returned."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)


class Block(nn.Module):
    def __init__(self, width, norm=None, activation="ReLU", gate=None, bias=True):
        super().__init__()
        layers = [nn.Linear(width, width)]
        if norm is not None:
            layers.append(nn.LayerNorm(width))
        if activation is not None:
            layers.append(getattr(nn, activation)())
        if gate is not None:
            layers.append(nn.Linear(width, width))
        layers.append(nn.Linear(width, width, bias=bias))
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x)


class Stage(nn.Module):
    def __init__(self, width, norm=None, activation="ReLU", gate=None, bias=True):
        super().__init__()
        self.block = Block(width, norm=norm, activation=activation, gate=gate, bias=bias)
        self.shortcut = nn.Linear(width, width)

    def forward(self, x):
        y = self.block(x)
        y += self.shortcut(x)
        return y


torch.manual_seed(0)
net = nn.Sequential(Stage(3, norm="layer"), Stage(3, gate=True, activation="Sigmoid"))


def loss_of(x):
    return net(x).square().sum()


x = torch.randn(2, 3, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
