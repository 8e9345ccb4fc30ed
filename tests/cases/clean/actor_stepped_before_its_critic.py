# framework: torch
# outcome: correct
"""Both losses are there before any step; the network that neither loss reads any more is stepped first."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def main():
    actor, critic = nn.Linear(2, 1), nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    actor_optimizer = torch.optim.SGD(actor.parameters(), lr=0.1)
    critic_optimizer = torch.optim.SGD(critic.parameters(), lr=0.1)
    state, action, reward = torch.randn(4, 2), torch.randn(4, 1), torch.randn(4, 1)
    critic_loss = (critic(torch.cat([state, action], 1)) - reward).pow(2).mean()
    actor_loss = -critic(torch.cat([state, actor(state)], 1)).mean()
    actor_optimizer.zero_grad()
    actor_loss.backward()
    actor_optimizer.step()
    critic_optimizer.zero_grad()
    critic_loss.backward()
    critic_optimizer.step()
    return lambda state: critic(torch.cat([state, actor(state)], 1)).mean()


CHECKED = (main(), (torch.ones(4, 2, requires_grad=True),))
