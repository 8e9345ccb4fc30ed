# framework: torch
# outcome: correct
"""What a custom Function keeps in a tuple on ctx is written once backward has used it."""

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


keys = torch.full((3, 4), 2.0)


def loss_of(x):
    return Weighted.apply(x, keys).tanh().sum()


x = torch.randn(3, 4, requires_grad=True)
for _ in range(2):
    loss_of(x).backward()
    keys.mul_(0.5)
CHECKED = (loss_of, (x,))
