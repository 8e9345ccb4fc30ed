# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (written when a region is run again)
"""A checkpointed layer updates its scale the second time it runs, and an earlier layer saved them."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.ones(3))
        self.is_second = False

    def forward(self, h):
        if self.is_second:
            self.scale.data.lerp_(h.detach().pow(2).mean(0), 0.5)  #~ error[GS301]: was overwritten after `mul` saved it
        self.is_second = True
        return torch.tanh(h)


def layers(x):
    norm = Norm()
    h = x * norm.scale  #~ label: saved its `other`
    return checkpoint(norm, h, use_reentrant=False).pow(2).sum()


x = torch.randn(2, 3, requires_grad=True)
layers(x).backward()
CHECKED = (layers, (x,))
