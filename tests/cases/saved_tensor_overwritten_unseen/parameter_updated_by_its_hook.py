# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (a hook that backward runs)
"""A parameter is updated as soon as its gradient is there, while another branch still needs its value."""

import torch
import torch.nn.functional as F
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

WEIGHT = torch.randn(3, 3)


def update(parameter):
    parameter.data.sub_(parameter.grad)  #~ error[GS301]: was overwritten after `linear` saved it


def branches(x):
    layer = nn.Linear(3, 3, bias=False)
    layer.weight.data.copy_(WEIGHT)
    layer.weight.register_post_accumulate_grad_hook(update)
    target = F.linear(x.tanh(), layer.weight.detach())  #~ label: saved its `weight`
    online = layer(x.detach())
    return target.pow(2).sum() + online.tanh().sum()


x = torch.randn(2, 3, requires_grad=True)
branches(x).backward()
CHECKED = (branches, (x,))
