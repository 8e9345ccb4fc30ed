# framework: torch
# outcome: correct
"""Overlapping windows are multiplied out of place, and a copy of them in place."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    window = torch.tensor([0.5, 1.0, 2.0, 3.0])
    frames = x.unfold(0, 4, 2) * window
    copied = x.unfold(0, 4, 2).clone()
    copied *= window
    return frames.pow(2).sum() + copied.pow(3).sum()


x = torch.randn(10, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
