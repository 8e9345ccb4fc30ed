# framework: torch
# outcome: raises
"""Actions of all agents are sliced from one tensor, and each is cut for the critic."""

import torch
from torch import nn

policy, critic = nn.Linear(3, 4), nn.Linear(4, 1)


def actions_of(joint, n_agents):
    return [joint[:, 2 * agent : 2 * agent + 2] for agent in range(n_agents)]


joint = torch.tanh(policy(torch.ones(5, 3)))
mine, *others = actions_of(joint, 2)
for i, action in enumerate(others):
    others[i] = action.detach()
critic(torch.cat([mine, *others], 1)).mean().backward()
