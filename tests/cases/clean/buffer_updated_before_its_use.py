# framework: torch
# outcome: correct
"""Running statistics are updated first and then read: what is saved stays as it is."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class RunningScale(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.register_buffer("scale", torch.ones(width))

    def forward(self, x):
        if self.training:
            with torch.no_grad():
                self.scale.mul_(0.9).add_(x.abs().mean(dim=0), alpha=0.1)
        return x / self.scale


norm, layer = RunningScale(3), nn.Linear(3, 3)
for batch in torch.randn(3, 4, 3):
    norm(layer(batch)).sum().backward()
norm.eval()
CHECKED = (lambda x: norm(layer(x)).sum(), (torch.randn(2, 3, requires_grad=True),))
