# framework: torch
# outcome: correct
"""The stacked state of a recurrent network is cut by `detach()` between two pieces."""

import torch
from torch import nn


torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

rnn = nn.GRU(2, 3, num_layers=2, batch_first=True)


def two_pieces(x):
    out, hidden = rnn(x[:, :2])
    first = out.sum()
    hidden = hidden.detach().clone()
    hidden[0] *= 0.0
    out, hidden = rnn(x[:, 2:], hidden * 0)
    return first + out.sum()


x = torch.randn(1, 4, 2).requires_grad_()
two_pieces(x).backward()
CHECKED = (two_pieces, (x,))
