# framework: torch
# outcome: correct
"""Parameters are slices of one buffer; only another part of it is written before the backward."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Flat:
    def __init__(self, layer):
        self.buffer = torch.cat([p.detach().flatten() for p in layer.parameters()])
        start = 0
        for p in layer.parameters():
            p.data = self.buffer[start : start + p.numel()].view_as(p)
            start += p.numel()

    def decay(self, rate):
        self.buffer[6:].mul_(1 - rate)


def regularised(x):
    layer = nn.Linear(3, 2)  # the first 6 numbers of the buffer are its weight
    nn.init.constant_(layer.weight, 0.5)
    flat = Flat(layer)
    loss = layer(x).pow(2).sum()
    flat.decay(0.5)
    return loss - flat.buffer.sum() * 0


torch.manual_seed(1)
x = torch.randn(2, 3, requires_grad=True)
regularised(x).backward()
CHECKED = (lambda x: torch.manual_seed(1) and regularised(x), (x,))
