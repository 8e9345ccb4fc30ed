# framework: torch
# outcome: raises
import torch

torch.manual_seed(0)
generator, critic = torch.nn.Linear(2, 3), torch.nn.Linear(3, 1)
fake = generator(torch.randn(4, 2))
loss_of_generator = -critic(fake).mean() + fake.pow(2).mean()
loss_of_critic = critic(fake := fake.detach()).mean()
loss_of_critic.backward()
loss_of_generator.backward()
