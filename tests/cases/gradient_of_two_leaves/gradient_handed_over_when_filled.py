# framework: torch
# outcome: wrong-gradient
"""A copy of a model is given the gradient that the original has filled, and accumulates its own into it."""
#~ missed-by: static (assignments to .grad)

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
    (a * a).sum().backward()
    b.grad = a.grad  #~ error[GS357]: one tensor was the gradient of two leaves
    (5 * b.sum()).backward()
    return a.grad


def loss_of(x):
    return Applied.apply(x, train)


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
