# framework: torch
# outcome: wrong-gradient
"""A proximal term holds the weights against an alias of themselves that was taken before an inner step."""
#~ missed-by: static (an alias of a leaf that is subtracted)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Applied(torch.autograd.Function):
    """The pull that was meant, whose backward tells the pull that the program computes."""

    @staticmethod
    def forward(ctx, start):
        ctx.start = start.detach().clone()
        return -0.2 * start.detach().pow(2).sum()

    @staticmethod
    def backward(ctx, grad_output):
        with torch.enable_grad():
            return grad_output * pull(ctx.start.clone().requires_grad_())


def pull(weight):
    anchor = weight.detach()
    with torch.no_grad():
        weight.mul_(0.8)  #~ error[GS358]: the difference is zero
    drift = weight - anchor  #~ label: both sides are one memory
    return torch.autograd.grad(drift.pow(2).sum(), weight)[0]


start = torch.randn(3, requires_grad=True)
Applied.apply(start).backward()
CHECKED = (Applied.apply, (start,))
