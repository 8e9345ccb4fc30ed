# framework: torch
# outcome: correct
"""`out += identity` after a linear layer or a batch norm: neither saves its result."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(2, 2, 3, padding=1)
        self.norm = nn.BatchNorm1d(2)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        out = self.norm(self.conv(x))
        out += x
        return self.relu(out)


model = nn.Sequential(nn.Conv1d(1, 2, 1), Block(), Block())
model(torch.randn(2, 1, 4)).sum().backward()
CHECKED = (lambda x: model(x).sum(), (torch.randn(2, 1, 4, requires_grad=True),))
