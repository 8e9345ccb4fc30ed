# framework: torch
# outcome: correct
"""Initialisation by `nn.init`, by `no_grad` and by slices."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(2, 3)
        self.out = nn.Linear(3, 1)
        nn.init.orthogonal_(self.cell.weight_hh)
        with torch.no_grad():
            self.cell.bias_ih[3:6].fill_(1.0)
            self.out.weight *= 0.5
            self.out.bias.zero_()

    def forward(self, x):
        return self.out(self.cell(x)[0])


encoder = Encoder()
encoder(torch.randn(2, 2)).sum().backward()
CHECKED = (lambda x: encoder(x).sum(), (torch.randn(2, 2, requires_grad=True),))
