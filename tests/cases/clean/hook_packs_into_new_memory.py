# framework: torch
# outcome: correct
"""A pack hook fills memory of its own and hands that on."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def pack(tensor):
    slot = torch.empty_like(tensor)
    slot.copy_(tensor)
    return slot


def unpack(slot):
    return slot


def packed(x):
    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        return (x.sigmoid() * x.exp()).sum()


x = torch.randn(2, 3, requires_grad=True)
packed(x).backward()
CHECKED = (packed, (x,))
