# framework: torch
# outcome: raises
"""A parameter is frozen in one of the branches that make it, and not in the other."""

import torch
from torch import nn


class Masked(nn.Module):
    def __init__(self, size, is_sparse):
        super().__init__()
        if is_sparse:
            self.mask = nn.Parameter(torch.eye(size))
        else:
            self.mask = nn.Parameter(torch.ones(size, size)).requires_grad_(False)

    def prune(self, factor):
        self.mask *= factor  #~ error[GS201]: in-place

    def forward(self, x):
        return x @ self.mask


network = Masked(3, True)
network.prune(0.5)
