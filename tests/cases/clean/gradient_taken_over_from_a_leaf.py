# framework: torch
# outcome: correct
"""Gradients are handed to leaves that go on with them: from a leaf that drops its own, from an accumulator."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Applied(torch.autograd.Function):
    """A loss whose backward tells which gradient was accumulated."""

    @staticmethod
    def forward(ctx, x, train):
        ctx.train, ctx.at = train, x.detach().clone()
        return (x * x).sum()

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.train(ctx.at), None


@torch.enable_grad()
def train(at):
    a, b = at.clone().requires_grad_(), at.clone().requires_grad_()
    (a * a / 2).sum().backward()
    b.grad = a.grad
    a.grad = None
    (b * b / 4).sum().backward()
    accumulator = b.grad.clone()
    c = at.clone().requires_grad_()
    c.grad = accumulator
    (c * c / 4).sum().backward()
    b.grad = c.grad
    c.grad = None
    return b.grad


def loss_of(x):
    return Applied.apply(x, train)


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
