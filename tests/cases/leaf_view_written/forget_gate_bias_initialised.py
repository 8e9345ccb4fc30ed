# framework: torch
# outcome: raises
"""An LSTM's forget gate bias is set by a slice assignment in the constructor."""

import torch
from torch import nn


class Encoder(nn.Module):
    def __init__(self, n_in, n_hidden):
        super().__init__()
        self.cell = nn.LSTMCell(n_in, n_hidden)
        self.cell.bias_ih[n_hidden : 2 * n_hidden] = 1.0  #~ error[GS202]: was refused on a view of

    def forward(self, x):
        return self.cell(x)[0]


encoder = Encoder(3, 4)
