# framework: torch
# outcome: correct
"""The loss of an actor is computed after the step of its critic."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Agent:
    def __init__(self):
        self.actor, self.critic = nn.Linear(2, 1), nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        self.actor_optimizer = torch.optim.Adam(self.actor.parameters())
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters())

    def learn(self, state, action, reward):
        critic_loss = (self.critic(torch.cat([state, action], 1)) - reward).pow(2).mean()
        self.critic_optimizer.zero_grad()
        critic_loss.backward()
        self.critic_optimizer.step()

        actor_loss = -self.critic(torch.cat([state, self.actor(state)], 1)).mean()
        self.actor_optimizer.zero_grad()
        actor_loss.backward()
        self.actor_optimizer.step()


agent = Agent()
for _ in range(2):
    agent.learn(torch.ones(4, 2), torch.ones(4, 1), torch.ones(4, 1))


def value_of(state):
    return agent.critic(torch.cat([state, agent.actor(state)], 1)).mean()


CHECKED = (value_of, (torch.ones(4, 2, requires_grad=True),))
