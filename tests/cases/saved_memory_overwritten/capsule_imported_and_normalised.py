# framework: torch
# outcome: wrong-gradient
"""A capsule of the old DLPack functions becomes a tensor that is normalised in place."""
#~ missed-by: static (memory that was handed out)

import torch
from torch.utils.dlpack import from_dlpack, to_dlpack

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    gate = torch.full((3, 4), 2.0)
    loss = (x * gate).tanh().sum()
    other = from_dlpack(to_dlpack(gate))
    other.mul_(0.5)  #~ error[GS350]: was overwritten
    return loss


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
