# framework: torch
# outcome: correct
"""A norm that backward runs again reads no statistics in train mode, and an array on a context is written after it."""

import numpy as np
import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Recomputed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, module, field):
        ctx.module, ctx.field = module, field
        ctx.save_for_backward(x)
        with torch.no_grad():
            return module(x) * torch.from_numpy(field.copy())

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        ctx.module.train()
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            y = ctx.module(x) * torch.from_numpy(ctx.field)
        return torch.autograd.grad(y, x, grad_output)[0], None, None


block, field = nn.Sequential(nn.BatchNorm1d(4), nn.Tanh()), np.arange(4.0)


def loss_of(x):
    first = Recomputed.apply(x, block, field)
    return first.sum() + Recomputed.apply(2 * x, block, field[::-1].copy()).pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
for _ in range(2):
    loss_of(x).backward()
    block.eval()
    block(x)
    block.train()
    field += 1
field[:] = range(4)
CHECKED = (loss_of, (x,))
