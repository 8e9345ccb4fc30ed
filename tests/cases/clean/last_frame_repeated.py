# framework: torch
# outcome: correct
"""A mean that was updated in place several times is repeated on the spot, and a first frame fills a whole window."""

from collections import deque

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

mean, frame = torch.zeros(3), torch.zeros(3)
window = deque(maxlen=4)


def repeated(weight):
    for _ in range(4):
        mean.lerp_(torch.ones(3), 0.5)
        frame.add_(1)
    window.extend([frame] * 4)
    means = torch.stack([mean] * 4)
    frames = torch.stack(list(window))
    value = (weight * (means + frames)).pow(2).sum()
    mean.zero_()
    frame.zero_()
    return value


weight = torch.randn(3, requires_grad=True)
for _ in range(2):
    repeated(weight).backward()
CHECKED = (repeated, (weight,))
