# framework: torch
# outcome: correct
"""Gradients are views of one buffer that do not overlap, or are cleared before the other leaf uses them."""

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
    n = at.numel()
    bucket = torch.zeros(2 * n)
    a.grad = bucket[:n].view_as(at)
    b.grad = bucket[n:].view_as(at)
    ((a * a).sum() + 5 * b.sum()).backward()
    told = a.grad.clone()
    b.grad = a.grad
    a.grad.zero_()
    (5 * b.sum()).backward()
    return told


def loss_of(x):
    return Applied.apply(x, train)


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
