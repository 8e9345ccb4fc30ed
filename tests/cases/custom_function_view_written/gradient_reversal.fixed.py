# framework: torch
# outcome: raises
"""Domain adaptation: the reversed features are shifted in place."""

import torch
from torch import nn


class ReverseGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, strength):
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return -ctx.strength * grad, None


class DomainHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.classify = nn.Linear(4, 2)

    def forward(self, features):
        reversed_features = ReverseGradient.apply(features, 0.5)
        reversed_features = reversed_features - reversed_features.mean()
        return self.classify(reversed_features)


torch.manual_seed(0)
DomainHead()(nn.Linear(3, 4)(torch.randn(5, 3))).sum().backward()
