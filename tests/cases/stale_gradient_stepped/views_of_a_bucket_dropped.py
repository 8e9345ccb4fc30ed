# framework: torch
# outcome: wrong-gradient
"""Gradients are views of a bucket, out of which a flat copy of the parameters is stepped; they are dropped at once."""
#~ missed-by: static (only content tells)

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


class Bucket:
    def __init__(self, parameters):
        self.parameters = parameters
        self.memory = torch.zeros(sum(p.numel() for p in parameters))
        start = 0
        for p in parameters:
            p.grad = self.memory[start : start + p.numel()].view_as(p)
            start += p.numel()


@torch.enable_grad()
def train(at):
    module = torch.nn.ParameterList(torch.nn.Parameter(row) for row in at)
    flat = torch.nn.Parameter(at.flatten())
    optimizer = torch.optim.SGD([flat], lr=0.1)
    bucket = Bucket(list(module))
    module.zero_grad()  #~ error[GS356]: gradients that were views of a buffer were dropped
    sum((p * p).sum() for p in module).backward()
    flat.grad = bucket.memory / 2
    optimizer.step()
    return 2 * flat.grad.view_as(at)


def loss_of(x):
    return Applied.apply(x, train)


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
