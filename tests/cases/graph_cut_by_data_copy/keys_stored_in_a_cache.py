# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""The rows of a chunk go into a cache under no_grad, and the summary that is trained reads them there."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

chunks = torch.randn(2, 3, 4)


class Memory:
    def __init__(self):
        self.rows = torch.zeros(6, 4)

    @torch.no_grad()
    def push(self, at, rows):
        self.rows[at : at + len(rows)] = rows  #~ warning[GS304]: its gradient ends there
        return self.rows


class Reader(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(weight) if not weight.requires_grad else weight
        self.query = nn.Parameter(torch.ones(4))

    def forward(self, chunks):
        memory = Memory()
        for at, chunk in enumerate(chunks):
            rows = memory.push(3 * at, torch.tanh(chunk @ self.weight))
        return (torch.softmax(rows @ self.query, 0) @ rows).pow(2).sum()


def loss_of(weight):
    return Reader(weight)(chunks) + 0.0 * weight.sum()


model = Reader(torch.randn(4, 4))
model(chunks).backward()
CHECKED = (loss_of, (torch.randn(4, 4, requires_grad=True),))
