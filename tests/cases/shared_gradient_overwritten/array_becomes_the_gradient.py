# framework: torch
# outcome: wrong-gradient
"""A custom backward returns a tensor over an array that it fills anew at each call: the array is the leaf's gradient."""
#~ missed-by: static (only content tells)

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

adjoint = np.zeros(3)


class Energy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, stiffness, stretch):
        ctx.save_for_backward(stretch)
        return (stiffness * stretch).sum()

    @staticmethod
    def backward(ctx, grad_output):
        (stretch,) = ctx.saved_tensors
        adjoint[:] = (grad_output * stretch).numpy()  #~ error[GS353]: was overwritten before it was used
        return torch.from_numpy(adjoint), None


class Accumulated(torch.autograd.Function):
    """The energy of all frames, whose backward goes backward through one frame after the other."""

    @staticmethod
    def forward(ctx, stiffness):
        ctx.at = stiffness.detach().clone()
        return sum((ctx.at * step).sum() for step in (1, 2, 4))

    @staticmethod
    @torch.enable_grad()
    def backward(ctx, grad_output):
        leaf = ctx.at.clone().requires_grad_()
        for step in (1, 2, 4):
            Energy.apply(leaf, torch.full((3,), float(step))).backward()
        return grad_output * leaf.grad.clone()


x = torch.randn(3, requires_grad=True)
Accumulated.apply(x).backward()
CHECKED = (Accumulated.apply, (x,))
