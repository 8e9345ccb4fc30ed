# framework: torch
# outcome: correct
"""Averaged weights are tried out between a forward pass and its backward, and the weights are put back."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

layer = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3))  # one node saves a view of its weight, the other the weight
average = [parameter.detach() * 0.5 for parameter in layer.parameters()]


def tried(x):
    out = layer(x.tanh()).pow(2).sum()
    kept = [parameter.detach().clone() for parameter in layer.parameters()]
    for parameter, other in zip(layer.parameters(), average):
        parameter.data.copy_(other)
    with torch.no_grad():
        layer(x)
    for parameter, own in zip(layer.parameters(), kept):
        parameter.data.copy_(own)
    return out


x = torch.randn(2, 3, requires_grad=True)
for _ in range(2):
    tried(x).backward()
CHECKED = (tried, (x,))
