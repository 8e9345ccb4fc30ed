# framework: torch
# outcome: raises
"""A packed projection is unbound into query, key and value; the packed tensor, which is returned too, sees the scale."""

import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.pack = nn.Linear(width, 3 * width)
        self.width = width

    def forward(self, x):
        packed = self.pack(x).view(-1, 3, self.width)
        query, key, value = [packed.select(1, n) for n in range(packed.shape[1])]
        query *= self.width**-0.5
        return torch.softmax(query @ key.T, dim=-1) @ value, packed.square().mean()


torch.manual_seed(0)
out, size = Attention(4)(torch.randn(5, 4))
(out.sum() + size).backward()
