# framework: torch
# outcome: raises
"""What a layer gives is edited before the next one takes it; the first gives its table of prompts itself."""

import torch


class Prompts(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Parameter(torch.randn(3, 4))

    def forward(self, _):
        return self.table


def run(layers, x, unit):
    for n, layer in enumerate(layers):
        x = layer(x)
        if n == 0:
            x[:, unit] = 0  #~ error[GS202]: was refused
    return x


torch.manual_seed(0)
layers = torch.nn.Sequential(Prompts(), torch.nn.Linear(4, 2), torch.nn.Tanh())
run(layers, None, 1).sum().backward()
