# framework: torch
# outcome: correct
"""A fused optimizer updates the critic, and the generator's loss is computed with the new one."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

WEIGHT = torch.randn(1, 3)


def generator_loss(made):
    critic = nn.Linear(3, 1, bias=False)
    critic.weight.data.copy_(WEIGHT)
    optimizer = torch.optim.SGD(critic.parameters(), lr=0.5, fused=True)
    score = critic(torch.ones(4, 3))
    score.sum().backward(inputs=[critic.weight])
    optimizer.step()
    return -critic(made).pow(2).sum()


made = torch.randn(4, 3, requires_grad=True)
generator_loss(made).backward()
CHECKED = (generator_loss, (made,))
