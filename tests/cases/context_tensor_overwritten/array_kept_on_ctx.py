# framework: torch
# outcome: wrong-gradient
"""A Function keeps an array on its context, and a solver goes on with the array before backward."""
#~ missed-by: static (only content tells)

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, field):
        ctx.field = field
        return x * torch.from_numpy(field.copy())

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * torch.from_numpy(ctx.field), None


def loss_of(x):
    field, total = np.ones(4), 0.0
    for _ in range(2):
        total = total + Scaled.apply(x, field).sum()
        field[1:] += field[:-1]  #~ error[GS351]: `ctx.field` was overwritten
    return total


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
