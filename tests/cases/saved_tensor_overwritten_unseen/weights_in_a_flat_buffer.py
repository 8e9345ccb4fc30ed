# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""Parameters are slices of one buffer; the buffer decays between forward and backward."""

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
        self.buffer.mul_(1 - rate)  #~ error[GS301]: was overwritten after


def regularised(x):
    layer = nn.Linear(3, 2)
    nn.init.constant_(layer.weight, 0.5)
    flat = Flat(layer)
    loss = layer(x).pow(2).sum()  #~ label: saved its
    flat.decay(0.5)
    return loss - flat.buffer.sum() * 0


torch.manual_seed(1)
x = torch.randn(2, 3, requires_grad=True)
regularised(x).backward()
CHECKED = (lambda x: torch.manual_seed(1) and regularised(x), (x,))
