# framework: torch
# outcome: correct
"""A Function leaves its last result on its class for who watches the training; its backward reads what it saved."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Exp(torch.autograd.Function):
    last = None

    @staticmethod
    def forward(ctx, x):
        result = x.exp()
        Exp.last = result.detach()
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, grad_output):
        (result,) = ctx.saved_tensors
        return grad_output * result


def loss_of(x):
    return Exp.apply(x).sum() + Exp.apply(2 * x).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
