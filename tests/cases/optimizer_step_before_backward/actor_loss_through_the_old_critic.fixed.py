# framework: torch
# outcome: raises
"""The loss of an actor goes through its critic, which is stepped before the backward of the actor."""

import torch
from torch import nn


class Agent:
    def __init__(self):
        self.actor, self.critic = nn.Linear(2, 1), nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        self.actor_optimizer = torch.optim.Adam(self.actor.parameters())
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters())

    def learn(self, state, action, reward):
        critic_loss = (self.critic(torch.cat([state, action], 1)) - reward).pow(2).mean()
        actor_loss = -self.critic(torch.cat([state, self.actor(state)], 1)).mean()

        # the actor
        self.actor_optimizer.zero_grad()
        actor_loss.backward()
        self.actor_optimizer.step()

        # the critic
        self.critic_optimizer.zero_grad()
        critic_loss.backward()
        self.critic_optimizer.step()


agent = Agent()
for _ in range(2):
    agent.learn(torch.ones(4, 2), torch.ones(4, 1), torch.ones(4, 1))
