# framework: torch
# outcome: correct
"""Windows that touch and do not overlap are exponentiated in place."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    frames = (x + 0).unfold(1, 2, 2)
    frames.exp_()
    return frames.pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
