# framework: torch
# outcome: correct
"""Hooked modules and layers that return new tensors."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True), nn.Linear(3, 1))
seen = []
for module in model:
    if getattr(module, "inplace", False):
        module.inplace = False
    module.register_full_backward_hook(lambda m, grad_in, grad_out: seen.append(grad_out[0].norm()))
model(torch.randn(2, 3, requires_grad=True)).sum().backward()
CHECKED = (lambda x: model(x).sum(), (torch.randn(2, 3, requires_grad=True),))
