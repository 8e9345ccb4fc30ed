# framework: torch
# outcome: raises
"""A wrapped critic of a chosen kind is asked in two ways, and stepped before the backward of the generator."""

import os

import torch
from torch import nn


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
        self.critic_optimizer = torch.optim.SGD(self.critic.parameters(), lr=0.1)

    def losses(self, made):
        if self.is_paired:
            real, fake = self.critic(torch.cat([made.detach(), made.detach()], 1)), self.critic(made.repeat(1, 2))
        else:
            real, fake = self.critic(made.detach()), self.critic(made)
        return real.mean(), -fake.mean()

    def step(self, made):
        critic_loss, generator_loss = self.losses(made)
        critic_loss.backward()
        self.critic_optimizer.step()  #~ error[GS102]: updated by `SGD.step`
        generator_loss.backward()


Adversary({}).step(nn.Linear(2, 2)(torch.ones(4, 2)))
