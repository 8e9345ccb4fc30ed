# framework: torch
# outcome: correct
"""A normalisation with a backward of its own saves a copy of the running mean, which the next call updates."""

import torch


class Centre(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, running, trains):
        mean = running.clone()
        if trains:
            running.lerp_(x.detach().mean(0), 0.1)
        ctx.save_for_backward(x, mean)
        return (x - mean).square()

    @staticmethod
    def backward(ctx, grad):
        x, mean = ctx.saved_tensors
        return grad * 2 * (x - mean), None, None


def loss(x):
    running = torch.ones(2, dtype=torch.float64)
    steady = Centre.apply(x, running, False)
    moving = Centre.apply(x, running, True)
    return (moving * steady).sum()


torch.manual_seed(0)
CHECKED = (loss, (torch.randn(4, 2, dtype=torch.float64, requires_grad=True),))
