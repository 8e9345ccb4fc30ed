# framework: torch
# outcome: correct
"""Gradients are listed at each step, of tied weights twice, and the lists of the step before are still there."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Applied(torch.autograd.Function):
    """A loss whose backward tells which gradient was applied."""

    @staticmethod
    def forward(ctx, x, train):
        ctx.train, ctx.at = train, x.detach().clone()
        return (x * x).sum()

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.train(ctx.at), None


class Record:
    def __init__(self):
        self.last = None
        self.by_name = {}


@torch.enable_grad()
def train(at):
    w = torch.nn.Parameter(at)
    tied, record, copies = [w, w], Record(), []
    for scale in (0.5, 1.0, 1.0):
        if w.grad is not None:
            w.grad.zero_()
        (scale * w * w).sum().backward()
        gradients = [p.grad for p in tied]
        latest = []
        for p in tied:
            latest.append(p.grad)
        record.last = latest
        record.by_name = {"w": w.grad}
        copies.append(w.grad.clone())
        norm = sum(each.norm() for each in gradients)
        assert norm > 0
    return record.last[0]


def loss_of(x):
    return Applied.apply(x, train)


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
