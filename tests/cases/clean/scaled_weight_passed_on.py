# framework: torch
# outcome: correct
"""A learned scale is folded into a weight that is passed to the functional form."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Folded(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.base = torch.ones(2, 3)

    def forward(self, scale, x):
        return nn.functional.linear(x, self.base * scale, self.layer.bias).sum()


model, x = Folded(), torch.randn(4, 3)
scale = torch.randn(2, 1, requires_grad=True)
model(scale, x).backward()
CHECKED = (lambda scale: model(scale, x), (scale,))
