# framework: torch
# outcome: correct
"""A part of a projection is rotated by constant angles and written back: a constant factor saves nothing of it."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def rotated(x, rotary_emb):
    cos, sin = rotary_emb
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


class Attention(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.query = nn.Linear(size, size)
        self.norm = nn.LayerNorm(size)

    def forward(self, x, n_text, rotary_emb=None):
        query = self.norm(self.query(x))
        if rotary_emb is not None:
            query[:, n_text:] = rotated(query[:, n_text:], rotary_emb)
        return query


attention = Attention(4)
angles = torch.randn(3, 4)


def loss_of(x):
    return attention(x, 2, (angles.cos(), angles.sin())).pow(3).sum()


loss_of(torch.randn(1, 5, 4)).backward()
CHECKED = (loss_of, (torch.randn(1, 5, 4, requires_grad=True),))
