# framework: torch
# outcome: correct
"""A layer draws its noise anew at each call, and counts its calls in a buffer; the network calls the layer twice."""

import torch
from torch import nn
from torch.nn import functional

torch.set_default_dtype(torch.float64)


class Noisy(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.spread = nn.Parameter(torch.ones(size, size))
        self.register_buffer("noise", torch.randn(size, size))
        self.register_buffer("n_calls", torch.zeros(()))

    def forward(self, x):
        self.noise = torch.randn_like(self.noise)
        self.n_calls += 1
        weight = self.spread * self.noise
        return functional.linear(x, weight)


class Twice(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.layer = Noisy(size)

    def forward(self, x):
        return self.layer(x) + self.layer(x)


network = Twice(3)


def loss_of(x):
    torch.manual_seed(0)
    return network(x).pow(2).sum()


loss_of(torch.ones(2, 3)).backward()
CHECKED = (loss_of, (torch.randn(2, 3, requires_grad=True),))
