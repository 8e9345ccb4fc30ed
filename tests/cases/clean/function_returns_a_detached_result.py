# framework: torch
# outcome: correct
"""What a custom Function returns is no view where it is detached, or copied, at the end; it may be written."""

import torch


class Halve(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return (x.t() / 2).detach()

    @staticmethod
    def backward(ctx, grad):
        return grad.t() / 2


class Turn(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.mul(3).t().contiguous()

    @staticmethod
    def backward(ctx, grad):
        return grad.t() * 3


def loss_of(x):
    half = Halve.apply(x)
    half += 1
    turned = Turn.apply(x)
    turned *= 2
    return (half * turned).sum()


torch.manual_seed(0)
x = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
