# framework: torch
# outcome: correct
"""Pooling saves its indices, not the values that it hands out: an activation may overwrite these."""

import torch
import torch.nn.functional as F
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.pool = nn.MaxPool2d(2)
        self.activation = nn.LeakyReLU(inplace=True)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        x = self.activation(self.pool(x))
        x = F.max_pool2d(self.conv(x), 2)
        x += 1
        return x


block = Block(2)


def loss_of(x):
    return block(x).pow(2).sum()


loss_of(torch.randn(1, 2, 8, 8)).backward()
CHECKED = (loss_of, (torch.randn(1, 2, 8, 8, requires_grad=True),))
