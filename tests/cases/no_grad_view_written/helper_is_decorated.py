# framework: torch
# outcome: raises
#~ missed-by: fix (the view would have to be made elsewhere)
"""A helper that picks the active part is decorated with `no_grad`; its caller scales what it returns."""

import torch
from torch import nn


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.project = nn.Linear(4, 4)

    @torch.no_grad()
    def active(self, features, n_active):
        return features[:, :n_active]

    def forward(self, x):
        features = self.project(x)
        self.active(features, 2).mul_(3.0)  #~ error[GS204]: in-place `mul_` was refused
        return features


torch.manual_seed(0)
Head()(torch.randn(2, 4)).sum().backward()
