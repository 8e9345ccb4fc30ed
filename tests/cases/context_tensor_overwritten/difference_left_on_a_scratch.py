# framework: torch
# outcome: wrong-gradient
"""A Function leaves what its backward needs on an object that two calls share."""
#~ missed-by: static (only content tells)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Scratch:
    pass


class SquaredDistance(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y, scratch):
        ctx.scratch = scratch
        scratch.difference = x - y  #~ error[GS351]: `ctx.scratch.difference` was replaced
        return scratch.difference.pow(2).sum()

    @staticmethod
    def backward(ctx, grad_output):
        return 2 * grad_output * ctx.scratch.difference, None, None


def loss_of(x):
    scratch = Scratch()
    return SquaredDistance.apply(x, torch.ones(4), scratch) + SquaredDistance.apply(x, torch.zeros(4), scratch)


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
