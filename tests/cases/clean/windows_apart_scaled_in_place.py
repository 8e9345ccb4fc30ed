# framework: torch
# outcome: correct
"""Windows that do not overlap are multiplied in place, overlapping ones are clamped and added to."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    frames = (x + 0).unfold(0, 4, 5)
    frames *= torch.tensor([0.5, 1.0, 2.0, 3.0])
    shared = x.detach().clone().unfold(0, 4, 2)
    shared.clamp_(-1, 1)
    columns = (x + 0).as_strided((2, 5), (1, 2))
    columns.mul_(3.0)
    return frames.sum() + columns.pow(2).sum()


x = torch.randn(10, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
