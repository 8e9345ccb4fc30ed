# framework: torch
# outcome: wrong-gradient
"""Hooks read a weight that the function which registers them leaves in a global variable."""
#~ missed-by: static (hooks)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

weight = torch.ones(())


def weighted(x, value):
    global weight
    weight = torch.tensor(value)  #~ warning[GS361]: `weight` was replaced
    out = x + (weight * x - x).detach()
    out.register_hook(lambda grad: grad * weight)
    return out


def loss_of(x):
    return weighted(x.sin(), 2.0).pow(2).sum() + weighted(x.cos(), 3.0).pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
