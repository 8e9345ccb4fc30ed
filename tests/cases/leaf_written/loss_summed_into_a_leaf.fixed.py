# framework: torch
# outcome: raises
"""A total is made with `requires_grad=True`, as if that let gradients through, and losses are added to it in place."""

import torch
from torch import nn

torch.manual_seed(0)
heads = nn.ModuleList([nn.Linear(3, 1), nn.Linear(3, 2)])
x = torch.randn(4, 3)
total = torch.zeros(1, requires_grad=True)
for head in heads:
    total = total + head(x).square().mean()
total.backward()
