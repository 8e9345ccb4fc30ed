# framework: torch
# outcome: correct
"""A Function keeps its layer on ctx and asks it for a number; that the layer's weight was stepped is nothing to it."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, layer):
        ctx.layer = layer
        return x * layer.factor

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.layer.factor, None


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.full((4,), 2.0))
        self.factor = 3.0

    def forward(self, x):
        return Scaled.apply(x, self)


def loss_of(x):
    layer = Layer()
    y = layer(x)
    with torch.no_grad():
        layer.weight.mul_(0.5)
    return y.sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
