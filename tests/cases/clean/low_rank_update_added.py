# framework: torch
# outcome: correct
"""A low-rank update runs beside the frozen weight."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Merged(nn.Module):
    def __init__(self):
        super().__init__()
        self.base = nn.Linear(3, 3).requires_grad_(False)
        self.frozen = self.base.weight.clone()

    def forward(self, down, up, x):
        return (self.base(x) + x @ (up @ down).t()).pow(2).sum()


model, x = Merged(), torch.randn(4, 3)
down, up = torch.randn(1, 3, requires_grad=True), torch.randn(3, 1, requires_grad=True)
model(down, up, x).backward()
CHECKED = (lambda down, up: model(down, up, x), (down, up))
