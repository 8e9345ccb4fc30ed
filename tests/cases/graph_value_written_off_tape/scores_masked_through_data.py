# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""Attention scores are masked through `.data`: gradient flows into what was masked."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

MASK = torch.tensor([[False, True, False]])


class Attention(nn.Module):
    def forward(self, x):
        scores = x @ x.t()
        scores.data.masked_fill_(MASK.expand_as(scores), 0.0)  #~ error[GS303]: `scores` was mutated off the tape
        return (scores * 2).sum()


x = torch.randn(3, 4, requires_grad=True)
Attention()(x).backward()  #~ label: as if nothing was written
CHECKED = (Attention(), (x,))
