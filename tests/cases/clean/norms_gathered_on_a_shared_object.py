# framework: torch
# outcome: correct
"""Functions share an object: each keeps its own values on its context, and their backwards add up norms on the object."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Statistics:
    def __init__(self):
        self.norms = torch.zeros(())
        self.last_input = None
        self.workspace = torch.empty(3, 4)


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, statistics):
        ctx.statistics = statistics
        ctx.x = x.clone()
        statistics.last_input = x.detach()
        return x * x

    @staticmethod
    def backward(ctx, grad_output):
        statistics = ctx.statistics
        statistics.norms += grad_output.norm()
        statistics.workspace = 2 * ctx.x
        return grad_output * statistics.workspace, None


def loss_of(x):
    statistics = Statistics()
    return Square.apply(x, statistics).sum() + Square.apply(3 * x, statistics).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
