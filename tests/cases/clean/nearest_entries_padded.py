# framework: torch
# outcome: correct
"""The positions of a maximum are integers: where the maximum itself is not used, no backward reads them."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def pad_(positions, length):
    positions[torch.arange(positions.size(0)) >= length] = 0


class Quantiser(nn.Module):
    def __init__(self, size, n_entries):
        super().__init__()
        self.register_buffer("table", torch.randn(n_entries, size))

    def tokens(self, x, length=None):
        tokens = (x @ self.table.t()).max(dim=-1).indices
        if length is not None:
            pad_(tokens, length)
        return tokens

    def forward(self, x):
        return x * self.table[self.tokens(x, length=3)]


quantiser = Quantiser(3, 5)


def loss_of(x):
    return quantiser(x).pow(2).sum()


loss_of(torch.randn(4, 3, requires_grad=True)).backward()
CHECKED = (loss_of, (torch.randn(4, 3, requires_grad=True),))
