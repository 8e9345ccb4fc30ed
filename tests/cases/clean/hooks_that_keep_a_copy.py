# framework: torch
# outcome: correct
"""Hooks that keep a copy: what is written afterwards does not reach it."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

SEEN = []


def pack(tensor):
    SEEN.append(tuple(tensor.shape))
    return tensor.clone()


def scaled(x):
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda packed: packed):
        gate = x.sigmoid()
    gate *= 2
    return gate.sum()


x = torch.randn(3, requires_grad=True)
scaled(x).backward()
CHECKED = (scaled, (x,))
