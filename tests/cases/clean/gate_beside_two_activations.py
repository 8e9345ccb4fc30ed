# framework: torch
# outcome: correct
"""The layer has a gate for two of its activations, and these keep their input; the one that keeps its result has none."""

import torch
from torch import nn
from torch.nn import functional

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

ACTIVATIONS = {"relu": functional.relu, "gelu": functional.gelu, "silu": functional.silu}


class FeedForward(nn.Module):
    def __init__(self, size, activation):
        super().__init__()
        self.inner = nn.Linear(size, size)
        self.activation = ACTIVATIONS[activation]
        if activation == "silu" or activation == "gelu":
            self.gate = nn.Linear(size, size)
        else:
            self.gate = None

    def forward(self, x):
        inner = self.activation(self.inner(x))
        if self.gate is not None:
            inner.mul_(self.gate(x))
        return inner


networks = [FeedForward(3, "relu"), FeedForward(3, "silu"), FeedForward(3, "gelu")]


def loss_of(x):
    return sum((network(x) ** 2).sum() for network in networks)


loss_of(torch.randn(2, 3)).backward()
CHECKED = (loss_of, (torch.randn(2, 3, requires_grad=True),))
