# framework: torch
# outcome: correct
"""Forwards that overwrite their input in order: announced, saved after the write, saved as a copy."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Rectified(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        ctx.mark_dirty(x)
        return x.clamp_(min=0)

    @staticmethod
    def backward(ctx, grad_output):
        (result,) = ctx.saved_tensors
        return grad_output * (result > 0)


class Exponential(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        x.exp_()
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx, grad_output):
        (result,) = ctx.saved_tensors
        return grad_output * result


class Squared(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        out = torch.empty_like(x)
        ctx.save_for_backward(x.clone(), out)
        torch.mul(x, x, out=out)
        return out

    @staticmethod
    def backward(ctx, grad_output):
        x, out = ctx.saved_tensors
        return grad_output * (2 * x + 0 * out)


def loss_of(x):
    h = Rectified.apply(x * 3)
    h = Exponential.apply(h * 0.1)
    return Squared.apply(h).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
