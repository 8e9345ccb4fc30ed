# framework: torch
# outcome: raises
"""A layer draws its noise into a buffer and keeps that for backward; the network calls the layer twice."""

import torch
from torch import nn
from torch.nn import functional


class Noisy(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.spread = nn.Parameter(torch.ones(size, size))
        self.register_buffer("noise", torch.randn(size, size))

    def forward(self, x):
        self.noise.normal_()
        weight = self.spread * self.noise.clone()
        return functional.linear(x, weight)


class Twice(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.layer = Noisy(size)

    def forward(self, x):
        return self.layer(x) + self.layer(x)


torch.manual_seed(0)
network = Twice(3)
loss = network(torch.randn(2, 3)).sum()
loss.backward()
