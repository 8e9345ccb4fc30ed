# framework: torch
# outcome: raises
"""A Gaussian policy splits its head into mean and log standard deviation, and clamps the latter in place."""

import torch
from torch import nn


class GaussianPolicy(nn.Module):
    def __init__(self, n_observations, n_actions):
        super().__init__()
        self.head = nn.Linear(n_observations, 2 * n_actions)
        self.n_actions = n_actions

    def forward(self, observation):
        mean, log_std = self.head(observation).split(self.n_actions, dim=-1)
        log_std = log_std.clamp(-5, 2)
        return mean, log_std.exp()


torch.manual_seed(0)
mean, std = GaussianPolicy(3, 2)(torch.randn(4, 3))
(mean.sum() + std.sum()).backward()
