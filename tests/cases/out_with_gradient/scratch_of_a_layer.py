# framework: torch
# outcome: raises
"""A layer computes into a scratch tensor that it keeps."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, 3))
        self.scratch = torch.empty(2, 3)

    def forward(self, x):
        torch.matmul(x, self.weight, out=self.scratch)  #~ error[GS212]: the result of `torch.matmul` was refused
        return self.scratch.tanh()


Mixer()(torch.ones(2, 3)).sum().backward()
