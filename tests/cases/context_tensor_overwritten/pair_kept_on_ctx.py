# framework: torch
# outcome: wrong-gradient
"""A custom Function keeps a pair of tensors on ctx; one of them is written."""
#~ missed-by: static (only content tells)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Weighted(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, keys):
        ctx.pair = (x.detach(), keys.detach())
        return (x * keys).sum(-1)

    @staticmethod
    def backward(ctx, grad_output):
        x, keys = ctx.pair
        return grad_output[:, None] * keys, grad_output[:, None] * x


def loss_of(x):
    keys = torch.full((3, 4), 2.0)
    scores = Weighted.apply(x, keys)
    keys.zero_()  #~ error[GS351]: was overwritten before the backward
    return scores.tanh().sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
