# framework: torch
# outcome: correct
"""Gradients are copied at each step."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Applied(torch.autograd.Function):
    """A loss whose backward tells which gradient was applied."""

    @staticmethod
    def forward(ctx, x, train):
        ctx.train, ctx.at = train, x.detach().clone()
        return (x * x).sum() * 1.0

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.train(ctx.at), None


@torch.enable_grad()
def train(at):
    local = torch.nn.Parameter(at)
    shared = torch.nn.Parameter(at.clone())
    optimizer = torch.optim.SGD([shared], lr=0.1)
    mine = torch.optim.SGD([local], lr=0.1)
    for scale in (3.0, 1.0):
        mine.zero_grad()
        (scale * local * local).sum().backward()
        shared.grad = local.grad.detach()
        applied = shared.grad.clone()
        optimizer.step()
    return applied


def loss_of(x):
    return Applied.apply(x, train)


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
