# framework: torch
# outcome: wrong-gradient
"""A Function runs a module again in backward, and the module's weight was scaled meanwhile."""
#~ missed-by: static (only content tells)

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


weight = torch.randn(4, 4)


def loss_of(x):
    block = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Tanh())
    with torch.no_grad():
        block[0].weight.copy_(weight)
    y = Recomputed.apply(x, block)
    with torch.no_grad():
        block[0].weight.mul_(0.5)  #~ error[GS351]: `ctx.module.0.weight` was overwritten
    return y.sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
