# framework: torch
# outcome: wrong-gradient
"""The gradient of each sample is appended to a list, and zeroed in place for the next one."""
#~ missed-by: static (only content tells)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Applied(torch.autograd.Function):
    """A loss whose backward tells which gradient was applied."""

    @staticmethod
    def forward(ctx, x, train):
        ctx.train, ctx.at = train, x.detach().clone()
        return (x * x).sum() * 4.0

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.train(ctx.at), None


@torch.enable_grad()
def train(at):
    w = torch.nn.Parameter(at)
    gradients = []
    for scale in (1.0, 3.0):
        if w.grad is not None:
            w.grad.zero_()  #~ error[GS355]: a list keeps one gradient tensor
        (scale * w * w).sum().backward()
        gradients.append(w.grad)
        count = len(gradients)
        assert count <= 2
    total = torch.zeros_like(at)
    for each in gradients:
        total = total + each
    return total


def loss_of(x):
    return Applied.apply(x, train)


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
