# framework: torch
# outcome: correct
"""Each matrix has memory of its own: `repeat` copies where `expand` would not."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def centred(x):
    frames = torch.eye(4).repeat(2, 1, 1)
    frames[:, :3, 3] = x.mean(dim=1)
    return (frames @ frames).sum()


x = torch.randn(2, 5, 3).requires_grad_()
centred(x).backward()
CHECKED = (centred, (x,))
