# framework: torch
# outcome: correct
"""Attention scores are masked in place, on the tape."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

MASK = torch.tensor([[False, True, False]])


class Attention(nn.Module):
    def forward(self, x):
        scores = x @ x.t()
        scores.masked_fill_(MASK.expand_as(scores), 0.0)
        return (scores * 2).sum()


x = torch.randn(3, 4, requires_grad=True)
Attention()(x).backward()
CHECKED = (Attention(), (x,))
