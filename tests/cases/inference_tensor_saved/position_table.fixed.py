# framework: torch
# outcome: raises
"""A table of positions is cached by the first call, a warm-up in `inference_mode`."""

import torch
from torch import nn


class Rotary(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = None

    def forward(self, x):
        if self.table is None:
            self.table = torch.cos(torch.arange(float(x.shape[-1])))
        return x * self.table.clone()


torch.manual_seed(0)
project, rotary = nn.Linear(3, 3), Rotary()
with torch.inference_mode():
    rotary(project(torch.randn(1, 3)))
rotary(project(torch.randn(2, 3))).sum().backward()
