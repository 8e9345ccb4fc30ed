# framework: torch
# outcome: correct
"""A coupling layer shifts a half of its own, not a slice of what its network has read."""

import torch
from torch import nn


torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

net = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 4))


def coupling(x):
    kept, moved = x[:, :2], x[:, 2:].clone()
    shift, scale = net(kept).chunk(2, dim=1)
    moved += shift
    return torch.cat([kept, moved * scale.sigmoid()], dim=1).square().sum()


x = torch.randn(3, 4).requires_grad_()
coupling(x).backward()
CHECKED = (coupling, (x,))
