# framework: torch
# outcome: wrong-gradient
"""A forward gives its input to be saved and overwrites it after that."""
#~ missed-by: static (only content tells)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Squared(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.mul_(x)  #~ error[GS352]: overwrote its input without announcing it

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 2 * x * grad_output


def loss_of(x):
    return Squared.apply(x * 3).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
