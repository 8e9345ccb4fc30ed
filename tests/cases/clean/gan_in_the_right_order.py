# framework: torch
# outcome: correct
"""Critic first, on detached samples; then the generator's loss, computed anew."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
generator = nn.Sequential(nn.Linear(2, 4), nn.ReLU(inplace=True), nn.Linear(4, 2))
critic = nn.Sequential(nn.Linear(2, 4), nn.LeakyReLU(0.2, inplace=True), nn.Linear(4, 1))
generator_optimizer = torch.optim.Adam(generator.parameters())
critic_optimizer = torch.optim.Adam(critic.parameters())
for real in torch.randn(3, 4, 2):
    fake = generator(torch.randn(4, 2))
    critic_optimizer.zero_grad()
    (critic(fake.detach()).mean() - critic(real).mean()).backward()
    critic_optimizer.step()
    generator_optimizer.zero_grad()
    (-critic(fake).mean()).backward()
    generator_optimizer.step()
CHECKED = (lambda z: critic(generator(z)).sum(), (torch.randn(2, 2, requires_grad=True),))
