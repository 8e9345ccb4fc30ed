# framework: torch
# outcome: wrong-gradient
"""A custom backward returns one buffer at each call, while the engine still adds up what it returned before."""
#~ missed-by: static (only content tells)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Replayed:
    def __init__(self, like):
        self.buffer = torch.zeros_like(like)
        owner = self

        class Product(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, factor):
                ctx.save_for_backward(factor)
                return x * factor

            @staticmethod
            def backward(ctx, grad_output):
                (factor,) = ctx.saved_tensors
                owner.buffer.copy_(grad_output).mul_(factor)  #~ error[GS353]: had returned was overwritten before it was used
                return owner.buffer, None

        self.product = Product


def loss_of(x):
    replayed = Replayed(x)
    factors = (torch.full((4,), 2.0), torch.full((4,), 5.0))
    return sum(replayed.product.apply(x, factor).sum() for factor in factors)


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
