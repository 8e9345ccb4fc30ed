# framework: torch
# outcome: wrong-gradient
"""A sum over batches begins with the gradient tensor, which is zeroed in place for the next batch."""
#~ missed-by: static (kept in an attribute)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Applied(torch.autograd.Function):
    """A loss whose backward tells the gradient that the program meant."""

    @staticmethod
    def forward(ctx, x, value, gradient):
        ctx.gradient, ctx.at = gradient, x.detach().clone()
        return value(x.detach())

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.gradient(ctx.at), None, None


class Sum:
    def __init__(self, leaf):
        self.leaf, self.total = leaf, None

    def take(self):
        if self.total is None:
            self.total = self.leaf.grad
        else:
            self.total += self.leaf.grad


@torch.enable_grad()
def gradient(at):
    leaf = at.clone().requires_grad_()
    both = Sum(leaf)
    for value in (torch.exp, torch.sin):
        if leaf.grad is not None:
            leaf.grad.zero_()  #~ error[GS355]: added to itself
        value(leaf).sum().backward()
        both.take()
    return both.total


def loss_of(x):
    return Applied.apply(x, lambda x: (x.exp() + x.sin()).sum(), gradient)


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
