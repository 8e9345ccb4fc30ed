# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""The first layer, frozen and with an input that needs no gradient, is given its weight with the product merged."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

first = nn.Linear(4, 4, bias=False).requires_grad_(False)
base = first.weight.detach().clone()
head = nn.Linear(4, 1)


def merge(left, right):
    first.weight.data = base + left @ right  #~ warning[GS304]: its gradient ends there


def loss_of(left, right):
    merge(left, right)
    return head(torch.tanh(first(torch.eye(4)))).pow(2).sum()


left, right = torch.randn(4, 2, requires_grad=True), torch.randn(2, 4, requires_grad=True)
loss_of(left, right).backward()
CHECKED = (loss_of, (left, right))
