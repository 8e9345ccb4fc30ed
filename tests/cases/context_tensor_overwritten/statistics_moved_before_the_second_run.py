# framework: torch
# outcome: wrong-gradient
"""A Function runs a norm in eval mode again in backward, and a training pass has moved its statistics meanwhile."""
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
        mode = ctx.module.training
        ctx.module.eval()
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            y = ctx.module(x)
        ctx.module.train(mode)
        return torch.autograd.grad(y, x, grad_output)[0], None


def loss_of(x):
    block = nn.Sequential(nn.BatchNorm1d(4), nn.Tanh()).eval()
    y = Recomputed.apply(x, block)
    block.train()
    block(x.detach() * 5)  #~ error[GS351]: `ctx.module.0.running_mean` was overwritten
    return y.sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
