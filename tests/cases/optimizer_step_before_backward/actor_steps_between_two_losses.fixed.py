# framework: torch
# outcome: raises
"""Actor and critic share a body; each loss has its own optimizer, and the first steps too early."""

import torch
from torch import nn


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 6)
        self.policy = nn.Linear(6, 2)
        self.value = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 1))

    def forward(self, observation):
        features = torch.tanh(self.body(observation))
        copies = {name: each.clone() for name, each in self.value.named_parameters()}
        return self.policy(features), torch.func.functional_call(self.value, copies, (features,))


def update(agent, observation, value_optimizer, all_optimizer):
    logits, value = agent(observation)
    value_loss = (value - 1).pow(2).mean()
    policy_loss = -(torch.log_softmax(logits, dim=1)[:, 0] * value.squeeze(1)).mean()
    value_loss.backward(retain_graph=True)
    value_optimizer.step()
    policy_loss.backward()
    all_optimizer.step()


torch.manual_seed(0)
agent = ActorCritic()
update(
    agent,
    torch.randn(3, 4),
    torch.optim.SGD(agent.value.parameters(), lr=0.1),
    torch.optim.SGD(agent.parameters(), lr=0.1),
)
