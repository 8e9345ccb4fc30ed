# framework: torch
# outcome: correct
"""A gradient penalty: the inner gradient is taken with `create_graph`, and nothing is written in between."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
critic = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
optimizer = torch.optim.Adam(critic.parameters())


def penalty(x):
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return (slope.norm(dim=1) - 1).pow(2).mean()


for real, fake in zip(torch.randn(2, 3, 2), torch.randn(2, 3, 2)):
    mixed = torch.lerp(real, fake, 0.5).requires_grad_()
    optimizer.zero_grad()
    (critic(fake).mean() - critic(real).mean() + 10 * penalty(mixed)).backward()
    optimizer.step()
CHECKED = (penalty, (torch.randn(2, 2, requires_grad=True),))
