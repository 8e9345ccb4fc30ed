# framework: torch
# outcome: raises
"""One of the two activations that have a gate beside them keeps its result."""

import torch
from torch import nn
from torch.nn import functional

ACTIVATIONS = {"relu": functional.relu, "gelu": functional.gelu, "silu": functional.silu}


class FeedForward(nn.Module):
    def __init__(self, size, activation):
        super().__init__()
        self.inner = nn.Linear(size, size)
        self.activation = ACTIVATIONS[activation]
        if activation == "silu" or activation == "relu":
            self.gate = nn.Linear(size, size)
        else:
            self.gate = None

    def forward(self, x):
        inner = self.activation(self.inner(x))  #~ label: saved its result
        if self.gate is not None:
            inner.mul_(self.gate(x))  #~ error[GS101]: modified in place
        return inner


torch.manual_seed(0)
for activation in ("gelu", "silu", "relu"):
    FeedForward(3, activation)(torch.randn(2, 3)).sum().backward()
