# framework: torch
# outcome: raises
"""A stack of layers in which an in-place activation follows one that saves its result."""

import torch
from torch import nn


class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(5, 5),
            nn.Sigmoid(),
            nn.Dropout(0.5, inplace=False),
            nn.Linear(5, 1),
        )

    def forward(self, x):
        return self.layers(x)


torch.manual_seed(0)
model = Gate()
model(torch.randn(3, 5)).sum().backward()
