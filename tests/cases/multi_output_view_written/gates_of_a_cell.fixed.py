# framework: torch
# outcome: raises
"""A recurrent cell splits its gates with `chunk` and applies the activations in place."""

import torch
from torch import nn


class Cell(nn.Module):
    def __init__(self, n_in, n_hidden):
        super().__init__()
        self.gates = nn.Linear(n_in + n_hidden, 3 * n_hidden)

    def forward(self, x, hidden):
        forget, update, output = self.gates(torch.cat([x, hidden], dim=1)).chunk(3, dim=1)
        forget = forget.sigmoid()
        return forget * hidden + (1 - forget) * torch.tanh(update) * torch.sigmoid(output)


torch.manual_seed(0)
Cell(2, 3)(torch.randn(4, 2), torch.zeros(4, 3)).sum().backward()
