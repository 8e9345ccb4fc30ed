# framework: torch
# outcome: raises
"""Maximum-entropy reinforcement learning: the temperature is updated before the policy loss that multiplies by it."""

import torch
from torch import nn

torch.manual_seed(0)
policy = nn.Linear(3, 2)
temperature = nn.Parameter(torch.tensor([0.2]))
policy_optimizer = torch.optim.SGD(policy.parameters(), lr=0.1)
temperature_optimizer = torch.optim.SGD([temperature], lr=0.1)

observations = torch.randn(5, 3)
log_probability = torch.log_softmax(policy(observations), dim=1)
entropy_bonus = (temperature.clone() * log_probability).mean()
policy_loss = entropy_bonus + log_probability.exp().mean()
temperature_loss = -(temperature * (log_probability.detach() + 1)).mean()

temperature_loss.backward()
temperature_optimizer.step()
policy_optimizer.zero_grad()
policy_loss.backward()
policy_optimizer.step()
