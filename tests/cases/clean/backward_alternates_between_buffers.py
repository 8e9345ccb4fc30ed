# framework: torch
# outcome: correct
"""A chain of steps returns one of two buffers: what a buffer held was used before it is filled again."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Step(torch.autograd.Function):
    buffers = [torch.zeros(3, 4), torch.zeros(3, 4)]

    @staticmethod
    def forward(ctx, x, number):
        ctx.number = number
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        buffer = Step.buffers[ctx.number % 2]
        buffer.copy_(x).cos_().mul_(grad_output)
        return buffer, None


def loss_of(x):
    h = x * 1.0
    for number in range(5):
        h = Step.apply(h, number)
    return h.sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
