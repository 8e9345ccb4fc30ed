# framework: torch
# outcome: correct
"""Two losses over one graph: both backwards first, then both steps."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
body, actor, critic = nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(4, 1)
actor_optimizer = torch.optim.SGD([*body.parameters(), *actor.parameters()], lr=0.1)
critic_optimizer = torch.optim.SGD(critic.parameters(), lr=0.1)
for observation in torch.randn(3, 2, 3):
    features = torch.tanh(body(observation))
    value_loss = critic(features).pow(2).mean()
    policy_loss = actor(features).logsumexp(dim=1).mean()
    actor_optimizer.zero_grad()
    critic_optimizer.zero_grad()
    value_loss.backward(retain_graph=True)
    policy_loss.backward()
    critic_optimizer.step()
    actor_optimizer.step()
CHECKED = (lambda x: critic(torch.tanh(body(x))).sum(), (torch.randn(2, 3, requires_grad=True),))
