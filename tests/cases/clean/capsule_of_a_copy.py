# framework: torch
# outcome: correct
"""A copy goes out as a DLPack capsule and is normalised there."""

import torch
from torch.utils.dlpack import from_dlpack, to_dlpack

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    gate = torch.full((3, 4), 2.0)
    loss = (x * gate).tanh().sum()
    other = from_dlpack(to_dlpack(gate.clone()))
    other.mul_(0.5)
    return loss + other.sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
