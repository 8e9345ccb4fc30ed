# framework: torch
# outcome: raises
"""Without a mask the activation itself is scaled: nothing further down asks for a mask."""

import torch
from torch import nn


class Weights(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.out = nn.Linear(size, 1)

    def forward(self, hidden, mask=None):
        weights = torch.relu(self.out(hidden) + 1)
        if mask is not None:
            weights = weights * mask.transpose(1, 2)
        is_used = mask is not None and mask.any()
        if mask is not None and mask.ndim == 3 and is_used:
            weights = weights + 1
        weights = weights * 2.0
        return weights


torch.manual_seed(0)
network = Weights(3)
network(torch.rand(2, 4, 3), torch.ones(2, 1, 4)).sum().backward()
network(torch.rand(2, 4, 3)).sum().backward()
