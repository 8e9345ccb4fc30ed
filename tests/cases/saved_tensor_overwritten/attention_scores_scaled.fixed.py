# framework: torch
# outcome: raises
"""Attention whose probabilities are rescaled in place after the softmax."""

import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.project = nn.Linear(width, 3 * width)
        self.scale = width**-0.5

    def forward(self, tokens):
        query, key, value = self.project(tokens).split(tokens.shape[-1], dim=-1)
        weights = torch.softmax(query @ key.transpose(-1, -2), dim=-1)
        weights = weights * self.scale
        return weights @ value


torch.manual_seed(0)
attention = Attention(8)
loss = attention(torch.randn(2, 5, 8)).pow(2).mean()
loss.backward()
