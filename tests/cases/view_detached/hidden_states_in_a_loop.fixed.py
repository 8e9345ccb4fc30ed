# framework: torch
# outcome: raises
"""The hidden state of a stacked recurrent network is cut layer by layer."""

import torch
from torch import nn

rnn = nn.GRU(3, 4, num_layers=2, batch_first=True)
head = nn.Linear(4, 1)
hidden = torch.zeros(2, 1, 4)


def cut(state):
    state = state.detach()
    return state


for piece in torch.ones(2, 1, 5, 3):
    out, hidden = rnn(piece, hidden)
    head(out).mean().backward()
    hidden = cut(hidden)
