"""A linear layer divided by its largest singular value, estimated by power iteration."""

import torch
import torch.nn.functional as F
from torch import nn


class SpectralLinear(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in))
        self.register_buffer("left", F.normalize(torch.randn(n_out), dim=0))

    def forward(self, x):
        with torch.no_grad():
            right = F.normalize(self.weight.t() @ self.left, dim=0)
            self.left.copy_(F.normalize(self.weight @ right, dim=0))
        sigma = torch.dot(self.left.clone(), self.weight @ right)
        return F.linear(x, self.weight / sigma)
