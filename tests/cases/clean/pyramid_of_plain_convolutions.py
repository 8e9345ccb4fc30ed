# framework: torch
# outcome: correct
"""Top-down addition into laterals that end with a convolution, which saved only its input."""

import torch
import torch.nn.functional as F
from torch import nn


torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

laterals = nn.ModuleList([nn.Conv2d(2, 3, 1) for _ in range(3)])
heads = nn.ModuleList([nn.Conv2d(3, 1, 1) for _ in range(3)])


def pyramid(x):
    inputs = [F.avg_pool2d(x, 2**level) if level else x for level in range(3)]
    maps = [conv(each) for conv, each in zip(laterals, inputs)]
    for level in range(2, 0, -1):
        maps[level - 1] += F.interpolate(maps[level], scale_factor=2)
    return sum(head(each).sum() for head, each in zip(heads, maps))


x = torch.randn(1, 2, 4, 4).requires_grad_()
pyramid(x).backward()
CHECKED = (pyramid, (x,))
