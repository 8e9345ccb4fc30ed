# framework: torch
# outcome: raises
"""A Wasserstein critic clips its weights after the step, but records the clipping."""

import torch
from torch import nn

torch.manual_seed(0)
critic = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
optimizer = torch.optim.RMSprop(critic.parameters(), lr=5e-5)
for real, fake in zip(torch.randn(2, 3, 2), torch.randn(2, 3, 2)):
    optimizer.zero_grad()
    (critic(fake).mean() - critic(real).mean()).backward()
    optimizer.step()
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.clamp_(-0.01, 0.01)
