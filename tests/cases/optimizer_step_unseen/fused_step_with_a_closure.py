# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""A fused optimizer is given its loss as a closure; the generator's loss is of the critic before that step."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

WEIGHT = torch.randn(1, 3)


def generator_loss(made):
    critic = nn.Linear(3, 1, bias=False)
    critic.weight.data.copy_(WEIGHT)
    optimizer = torch.optim.SGD(critic.parameters(), lr=0.5, fused=True)
    score = critic(made)

    def critic_loss():
        loss = critic(made.detach()).sum()
        loss.backward()
        return loss

    optimizer.step(critic_loss)  #~ error[GS302]: was updated by `SGD.step` before
    return -score.pow(2).sum()


made = torch.randn(4, 3, requires_grad=True)
generator_loss(made).backward()
CHECKED = (generator_loss, (made,))
