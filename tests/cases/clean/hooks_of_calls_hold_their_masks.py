# framework: torch
# outcome: correct
"""Hooks hold the mask of their call; that of a parameter reads a buffer that is kept up to date, and one reads what the
function that registers it sets before it runs backward."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.empty(4))
        self.register_buffer("kept", torch.ones(4))
        self.gain = nn.Parameter(torch.ones(4))
        self.gain.register_hook(lambda grad: grad * self.kept)
        self.n = 0

    def forward(self, x):
        self.n += 1
        mask = ((torch.arange(4) + self.n) % 2).to(x.dtype)
        self.mask.copy_(mask)
        self.kept.copy_(mask)
        out = x + (x * mask - x).detach()
        out.register_hook(lambda grad: grad * mask)
        return out * self.gain


def scaled_gradient(x):
    scale = torch.ones(())
    out = x * 1.0
    out.register_hook(lambda grad: grad * scale)
    scale.fill_(0.5)
    (gradient,) = torch.autograd.grad(out.sum(), x)
    return gradient


def loss_of(x):
    gate = Gate()
    return gate(x).pow(2).sum() + gate(2 * x).pow(3).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
scaled_gradient(x)
CHECKED = (loss_of, (x,))
