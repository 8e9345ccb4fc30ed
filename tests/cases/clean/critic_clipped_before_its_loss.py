# framework: torch
# outcome: correct
"""The critic's weights are clipped through `.data` before its loss."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

WEIGHT = torch.randn(3, 4)


def critic_loss(x):
    weight = nn.Parameter(WEIGHT.clone())
    weight.data.clamp_(-0.1, 0.1)
    return torch.tanh(x @ weight).sum()


x = torch.randn(2, 3, requires_grad=True)
critic_loss(x).backward()
CHECKED = (critic_loss, (x,))
