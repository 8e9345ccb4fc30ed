# framework: torch
# outcome: correct
"""A Function runs a module again in backward; the module, a norm among its layers, is written after that."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Recomputed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, module):
        ctx.module = module
        ctx.save_for_backward(x)
        with torch.no_grad():
            return module(x)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            y = ctx.module(x)
        return torch.autograd.grad(y, x, grad_output)[0], None


block = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Tanh())


def loss_of(x):
    return Recomputed.apply(x, block).pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
for _ in range(2):
    loss_of(x).backward()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.mul_(0.9)
CHECKED = (loss_of, (x,))
