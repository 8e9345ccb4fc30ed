# framework: torch
# outcome: wrong-gradient
"""The gradient of a first backward is kept once, and subtracted from what the second has accumulated into it."""
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


class Accumulated:
    def __init__(self, leaf):
        self.leaf = leaf

    def first(self):
        self.leaf.pow(2).sum().backward()
        self.kept = self.leaf.grad

    def second(self):
        self.leaf.exp().sum().backward()  #~ error[GS355]: subtracted from itself
        return self.leaf.grad - self.kept


@torch.enable_grad()
def gradient(at):
    both = Accumulated(at.clone().requires_grad_())
    both.first()
    return both.second()


def loss_of(x):
    return Applied.apply(x, lambda x: x.exp().sum(), gradient)


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
