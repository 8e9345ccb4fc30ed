# framework: torch
# outcome: wrong-gradient
"""A Function leaves its result on its class, where the next call leaves another."""
#~ missed-by: static (only content tells)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Exp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        Exp.result = x.exp()  #~ error[GS351]: `Exp.result` was replaced
        return Exp.result.clone()

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * Exp.result


def loss_of(x):
    return Exp.apply(x).sum() + Exp.apply(2 * x).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
