# framework: torch
# outcome: raises
"""A covariance's Cholesky factor, which its backward needs, has its diagonal kept away from zero in place."""

import torch
from torch import nn


class Covariance(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.root = nn.Parameter(torch.eye(n) + 0.1)

    def forward(self, x):
        factor = torch.linalg.cholesky(self.root @ self.root.T)  #~ label: saved its
        factor.diagonal().clamp_(min=0.9)  #~ error[GS106]: was modified in place
        return torch.linalg.solve_triangular(factor, x, upper=False)


torch.manual_seed(0)
Covariance(3)(torch.randn(3, 2)).square().sum().backward()
