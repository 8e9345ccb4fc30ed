# framework: torch
# outcome: correct
"""Hooks offload a tensor; what is written afterwards does not reach the copy."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def pack(tensor):
    return tensor.numpy(force=True).copy() if tensor.numel() > 1 else tensor


def unpack(packed):
    return packed if isinstance(packed, torch.Tensor) else torch.from_numpy(packed)


def normalised(x):
    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        weight = x.softmax(-1)
        total = weight.pow(2).sum()
    with torch.no_grad():
        weight[0] = 0
    return total


x = torch.randn(4, requires_grad=True)
normalised(x).backward()
CHECKED = (normalised, (x,))
