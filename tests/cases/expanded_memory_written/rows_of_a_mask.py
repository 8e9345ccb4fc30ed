# framework: torch
# outcome: wrong-gradient
"""A mask is expanded over the batch and then edited for each sample."""
#~ missed-by: static (rows that share memory)

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


def masked(x, rows):
    mask = torch.ones(1, 4)
    mask = rows(mask)
    for i, n in enumerate([4, 2, 3]):
        mask[i, n:] = 0  #~ error[GS359]: whose rows share one memory
    return (x * mask).pow(2).sum()


def meant(x):
    return masked(x, lambda mask: mask.repeat(3, 1))


@torch.enable_grad()
def gradient(at):
    x = at.clone().requires_grad_()
    return torch.autograd.grad(masked(x, lambda mask: mask.expand(3, 4)), x)[0]


def loss_of(x):
    return Applied.apply(x, meant, gradient)


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
