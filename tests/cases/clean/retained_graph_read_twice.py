# framework: torch
# outcome: correct
"""The same graph is differentiated twice, and gradients are scaled in place between."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
layer = nn.Linear(3, 3)
h = torch.tanh(layer(torch.randn(2, 3)))
first, second = h.sum(), (h * h).sum()
first.backward(retain_graph=True)
for parameter in layer.parameters():
    parameter.grad.mul_(0.5)
second.backward()
CHECKED = (lambda x: torch.tanh(layer(x)).pow(2).sum(), (torch.randn(2, 3, requires_grad=True),))
