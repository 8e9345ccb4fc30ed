# framework: torch
# outcome: raises
"""A block ends in an activation unless it is told otherwise, and a shortcut is added to what it returns."""

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width, norm=None, activation="ReLU", dropout=0.0):
        super().__init__()
        layers = [nn.Linear(width, width)]
        normalised = nn.LayerNorm(width) if norm is not None else None
        if normalised is not None:
            layers.append(normalised)
        activated = getattr(nn, activation)() if activation is not None else None
        if activated is not None:
            layers.append(activated)
        if dropout:
            layers.append(nn.Dropout1d(dropout))
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x)


class Stage(nn.Module):
    def __init__(self, width, norm=None, activation="ReLU", dropout=0.0, shortcut=True):
        super().__init__()
        self.block = Block(width, norm=norm, activation=activation, dropout=dropout)
        self.shortcut = Block(width, activation=None) if shortcut else None

    def forward(self, x):
        y = self.block(x)
        if self.shortcut is not None:
            y += self.shortcut(x)  #~ error[GS101]: modified in place
        return y


stage = Stage(3)
stage(torch.ones(2, 3)).sum().backward()
