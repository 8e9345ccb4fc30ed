# framework: torch
# outcome: wrong-gradient
"""A second tensor, with a counter of its own, is laid over the storage and written."""
#~ missed-by: static (memory that was handed out)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    gate = torch.full((3, 4), 2.0)
    loss = (x * gate).tanh().sum()
    flat = torch.tensor([]).set_(gate.untyped_storage())
    flat[:6] = 5.0  #~ error[GS350]: was overwritten
    return loss


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
