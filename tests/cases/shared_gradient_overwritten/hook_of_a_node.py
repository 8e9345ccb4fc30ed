# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (a hook that backward runs)
"""A hook of a graph node clips in place what another branch still waits for."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def clip(grads):
    grads[0].clamp_(-0.1, 0.1)  #~ error[GS353]: in place


def branches(x, y):
    left, right = x.tanh(), y.sin()
    right.grad_fn.register_prehook(clip)
    return (left + right.detach() + (right - right.detach())).pow(2).sum()


x, y = (torch.randn(3, requires_grad=True) for _ in range(2))
branches(x, y).backward()
CHECKED = (branches, (x, y))
