# framework: torch
# outcome: correct
"""What a layer gives is edited in a copy; the first gives its table of prompts itself."""

import torch


class Prompts(torch.nn.Module):
    def __init__(self, table):
        super().__init__()
        self.table = table

    def forward(self, _):
        return self.table


def run(layers, x, unit):
    for n, layer in enumerate(layers):
        x = layer(x)
        if n == 0:
            x = x.clone()
            x[:, unit] = 0
    return x


torch.manual_seed(0)
linear = torch.nn.Linear(4, 2).double()


def score(table):
    return run((Prompts(table), linear, torch.nn.Tanh()), None, 1).sum()


CHECKED = (score, (torch.randn(3, 4, dtype=torch.float64, requires_grad=True),))
