# framework: torch
# outcome: wrong-gradient
"""A second model is bound to the bucket that holds the gradients of the first."""
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
    bucket = torch.zeros(at.numel() + 3)
    a.grad = bucket[: at.numel()].view_as(at)
    b.grad = bucket[: at.numel()].view_as(at)  #~ error[GS357]: one tensor was the gradient of two leaves
    (a * a).sum().backward()
    (5 * b.sum()).backward()
    return a.grad


def loss_of(x):
    return Applied.apply(x, train)


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
