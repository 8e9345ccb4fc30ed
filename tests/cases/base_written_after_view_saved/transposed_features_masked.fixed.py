# framework: torch
# outcome: raises
"""A transpose copies nothing: masking the features afterwards reaches what the matmul saved."""

import torch
from torch import nn


class Pooling(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(4, 4)
        self.score = nn.Parameter(torch.randn(2, 4))

    def forward(self, tokens, padding):
        features = self.embed(tokens)
        scores = self.score @ features.t()
        features = features.masked_fill(padding[:, None], 0.0)
        return scores.softmax(dim=1) @ features.detach()


torch.manual_seed(0)
pooling = Pooling()
padding = torch.tensor([False, False, False, True])
pooling(torch.randn(4, 4), padding).sum().backward()
