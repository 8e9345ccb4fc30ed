# framework: torch
# outcome: raises
"""The critic steps with a closure, as trainers call it, while the generator's loss still waits for its backward."""

import torch
from torch import nn

torch.manual_seed(0)
generator = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
critic = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
generator_optimizer = torch.optim.Adam(generator.parameters(), lr=1e-3)
critic_optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3)

for real in torch.randn(2, 4, 2):
    fake = generator(torch.randn(4, 3))
    copies = {name: each.clone() for name, each in critic.named_parameters()}
    fake_score = torch.func.functional_call(critic, copies, (fake,))

    def critic_loss(real=real, fake=fake):
        critic_optimizer.zero_grad()
        loss = critic(fake.detach()).mean() - critic(real).mean()
        loss.backward()
        return loss

    critic_optimizer.step(critic_loss)

    generator_optimizer.zero_grad()
    generator_loss = -fake_score.mean()
    generator_loss.backward()
    generator_optimizer.step()
