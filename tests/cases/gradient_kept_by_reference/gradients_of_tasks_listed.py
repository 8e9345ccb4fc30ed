# framework: torch
# outcome: wrong-gradient
"""The gradients of each task are kept in a list of lists, without a word to the next backward, which adds to them."""
#~ missed-by: static (only content tells)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Applied(torch.autograd.Function):
    """A loss whose backward tells which gradient was applied."""

    @staticmethod
    def forward(ctx, x, train):
        ctx.train, ctx.at = train, x.detach().clone()
        return (x * x).sum() * 5.0

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.train(ctx.at), None


def gradients_of(losses, parameters):
    collected = []
    for loss in losses:
        loss.backward()  #~ error[GS355]: a list keeps one gradient tensor
        collected.append([p.grad for p in parameters])
    return collected


@torch.enable_grad()
def train(at):
    w = torch.nn.Parameter(at)
    first, second = gradients_of([(w * w).sum(), (3.0 * w * w).sum()], [w])
    return first[0] + second[0]


def loss_of(x):
    return Applied.apply(x, train)


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
