# framework: torch
# outcome: raises
"""Both losses go through a scaler: that the second is scaled after the step does not make it a younger loss."""

import torch
from torch import nn

torch.manual_seed(0)
generator = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
critic = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
generator_optimizer = torch.optim.Adam(generator.parameters(), lr=1e-3)
critic_optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3)
scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)

for real in torch.randn(2, 4, 2):
    fake = generator(torch.randn(4, 3))
    critic_loss = critic(fake.detach()).mean() - critic(real).mean()
    generator_loss = -critic(fake).mean()

    generator_optimizer.zero_grad()
    scaler.scale(generator_loss / 2).backward()
    scaler.step(generator_optimizer)

    critic_optimizer.zero_grad()
    scaler.scale(critic_loss).backward()
    scaler.step(critic_optimizer)
    scaler.update()
