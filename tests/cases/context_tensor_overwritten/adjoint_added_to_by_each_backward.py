# framework: torch
# outcome: wrong-gradient
"""A Function's tape adds to its adjoint in each backward of a graph that is kept."""
#~ missed-by: static (only content tells)

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Tape:
    pass


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.tape = Tape()
        ctx.tape.adjoint = np.zeros(x.shape)
        return 2 * x

    @staticmethod
    def backward(ctx, grad_output):
        ctx.tape.adjoint += 2 * grad_output.numpy()  #~ error[GS351]: `ctx.tape.adjoint` was overwritten
        return torch.from_numpy(ctx.tape.adjoint.copy())


class Squared(torch.autograd.Function):
    """The gradient of a sum of squares, taken from a graph that has been differentiated before."""

    @staticmethod
    def forward(ctx, x):
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            doubled = Double.apply(leaf)
            torch.autograd.grad(doubled.sum(), leaf, retain_graph=True)
            (ctx.gradient,) = torch.autograd.grad(doubled.pow(2).sum(), leaf)
        return doubled.detach().pow(2).sum()

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.gradient


def loss_of(x):
    return Squared.apply(x)


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
