# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""The critic's weights are clipped through `.data` after its loss and before the backward."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

WEIGHT = torch.randn(3, 4)


def critic_loss(x):
    weight = nn.Parameter(WEIGHT.clone())
    score = torch.tanh(x @ weight).sum()  #~ label: saved its
    weight.data.clamp_(-0.1, 0.1)  #~ error[GS301]: was overwritten after
    return score


x = torch.randn(2, 3, requires_grad=True)
critic_loss(x).backward()  #~ label: backward needed the saved value
CHECKED = (critic_loss, (x,))
