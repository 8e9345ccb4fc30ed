# framework: torch
# outcome: correct
"""A Function saves the weight that it multiplied by, and keeps its layer for other things; an optimizer steps it."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, layer):
        ctx.layer = layer
        ctx.save_for_backward(layer.weight.detach().clone())
        return x * layer.weight

    @staticmethod
    def backward(ctx, grad_output):
        (weight,) = ctx.saved_tensors
        return grad_output * weight * ctx.layer.sign, None


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.full((4,), 2.0))
        self.sign = 1.0

    def forward(self, x):
        return Product.apply(x, self)


def loss_of(x):
    layer = Layer()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
    with torch.enable_grad():
        (layer.weight**2).sum().backward()
    y = layer(x)
    optimizer.step()
    return y.sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
