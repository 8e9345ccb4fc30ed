# framework: torch
# outcome: wrong-gradient
"""Overlapping windows are multiplied in place: a shared element once for each of them."""
#~ missed-by: static (strides)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    frames = (x + 0).unfold(0, 4, 2)
    frames *= torch.tensor([0.5, 1.0, 2.0, 3.0])  #~ error[GS359]: `frames` was modified in place
    return (frames.pow(2) * torch.arange(1.0, 5.0)).sum()


x = torch.randn(10, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
