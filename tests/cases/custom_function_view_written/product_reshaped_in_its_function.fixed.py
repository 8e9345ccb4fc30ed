# framework: torch
# outcome: raises
"""A quantised product gives its result the shape of the input; what it returns is a view of what it computed."""

import torch
from torch import nn


class QuantisedProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, codes, scale):
        ctx.save_for_backward(codes, scale)
        out = x.reshape(-1, x.shape[-1]) @ (codes.float() * scale).t()
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx, grad):
        codes, scale = ctx.saved_tensors
        return grad @ (codes.float() * scale), None, None


class QuantisedLinear(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.register_buffer("codes", torch.randint(-7, 8, (width, width), dtype=torch.int8))
        self.register_buffer("scale", torch.rand(width, 1))

    def forward(self, x):
        return QuantisedProduct.apply(x, self.codes, self.scale)


class Embeddings(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.project = nn.Embedding(9, 4), QuantisedLinear(4)

    def forward(self, ids):
        hidden = self.project(self.words(ids))
        hidden = hidden + 1.0
        return hidden


torch.manual_seed(0)
Embeddings()(torch.randint(9, (2, 3))).pow(2).sum().backward()
