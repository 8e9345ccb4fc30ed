# framework: torch
# outcome: wrong-gradient
"""A hidden state that each step writes in place is kept in a dict by step."""
#~ missed-by: static (one tensor in many entries)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Applied(torch.autograd.Function):
    """A loss whose backward tells the gradient that the program meant."""

    @staticmethod
    def forward(ctx, x, value, gradient):
        ctx.gradient, ctx.at = gradient, x.detach().clone()
        return value(x.detach())

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.gradient(ctx.at), None, None


def meant(x):
    return sum(((k + 1) * 2 * x).pow(2).sum() for k in range(3))


@torch.enable_grad()
def gradient(at):
    x = at.clone().requires_grad_()
    state, states = torch.zeros_like(x), {}
    for step in range(3):
        state += 2 * x  #~ error[GS358]: every entry is the last state
        states[step] = state
    return torch.autograd.grad(sum(each.pow(2).sum() for each in states.values()), x)[0]


def loss_of(x):
    return Applied.apply(x, meant, gradient)


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
