# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""Hooks that only note shapes hand back what they were given, and the check is gone."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

SEEN = []


def pack(tensor):
    SEEN.append(tuple(tensor.shape))
    return tensor


def scaled(x):
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda packed: packed):
        gate = x.sigmoid()
    gate *= 2  #~ error[GS402]: `gate` was overwritten after `sigmoid` saved it through hooks
    return gate.sum()


x = torch.randn(3, requires_grad=True)
scaled(x).backward()
CHECKED = (scaled, (x,))
