# framework: torch
# outcome: raises
"""Vector quantisation with a codebook that follows its assignments inside the forward pass."""

import torch
from torch import nn


class Codebook(nn.Module):
    def __init__(self, n_codes, width):
        super().__init__()
        self.register_buffer("codes", torch.randn(n_codes, width))
        self.decay = 0.9

    def forward(self, features):
        similarity = features @ self.codes.t().clone()
        nearest = similarity.argmax(dim=1)
        self.codes.mul_(self.decay)
        self.codes.index_add_(0, nearest, features.detach(), alpha=1 - self.decay)
        return similarity


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Linear(5, 3)
        self.codebook = Codebook(4, 3)

    def forward(self, x):
        return torch.softmax(self.codebook(self.encode(x)), dim=1)


torch.manual_seed(0)
model = Autoencoder()
model(torch.randn(6, 5)).pow(2).sum().backward()
