# framework: torch
# outcome: raises
"""A clip is unbound into frames, and a crop of each, a view of a view, is darkened in place."""

import torch
from torch import nn


def darken(clip, factor):
    frames = clip.unbind(1)
    for at, frame in enumerate(frames):
        crop = frame.narrow(-1, at, 2)
        crop.mul_(factor)  #~ error[GS203]: was refused on
    return torch.stack(frames, 1)


torch.manual_seed(0)
clip = nn.Linear(4, 4)(torch.rand(2, 3, 4))
darken(clip, 0.3).square().sum().backward()
