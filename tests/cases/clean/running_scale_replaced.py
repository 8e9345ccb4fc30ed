# framework: torch
# outcome: correct
"""A running scale is replaced after a custom Function kept it."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x * factor

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.factor, None


scale = torch.ones(4)


def loss_of(x):
    global scale
    scale = torch.ones(4)
    hidden = Scale.apply(x, scale)
    with torch.no_grad():
        scale = 0.9 * scale + 0.1 * hidden.abs().amax(0)
    return hidden.pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
