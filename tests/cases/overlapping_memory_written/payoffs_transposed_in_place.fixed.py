# framework: torch
# outcome: raises
"""The payoffs that the second agent sees are turned round, and put back where they came from."""

import torch
from torch import nn


class Payoffs(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Linear(4, 9)

    def forward(self, pairs):
        payoffs = self.table(pairs).view(2, -1, 3, 3)
        payoffs[1] = payoffs[1].transpose(-2, -1).clone()
        return payoffs.mean(0)


torch.manual_seed(0)
Payoffs()(torch.randn(2, 5, 4)).logsumexp(-1).sum().backward()
