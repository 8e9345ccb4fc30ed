# framework: torch
# outcome: correct
"""A wrapped critic of a chosen kind is asked in two ways, and stepped after both backward passes."""

import os

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

WEIGHT = torch.randn(1, 2)


class Wrapped(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, *inputs):
        return self.inner(*inputs)


class Adversary:
    def __init__(self, options):
        self.is_paired = options.get("is_paired", False)
        self.critic = Wrapped(getattr(nn, os.environ.get("CRITIC", "Linear"))(2, 1))
        self.critic.inner.weight.data.copy_(WEIGHT)
        self.critic.inner.bias.data.zero_()
        self.optimizer = torch.optim.SGD(self.critic.parameters(), lr=0.1)

    def loss(self, made):
        if self.is_paired:
            real = self.critic(torch.ones(8, 2))
        else:
            real = self.critic(torch.ones(4, 2))
        real.mean().backward(inputs=list(self.critic.parameters()))
        self.optimizer.step()
        return -self.critic(made).pow(2).mean()


def loss_of(made):
    return Adversary({}).loss(made)


made = torch.randn(4, 2, requires_grad=True)
loss_of(made).backward()
CHECKED = (loss_of, (made,))
