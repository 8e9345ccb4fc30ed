# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
#~ missed-by: plain (only the audit follows parameters over parameters)
"""A head is tied to an embedding by a new Parameter over its weight."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

tokens = torch.tensor([0, 2, 1])


class Tied(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.table = weight
        self.head = nn.Linear(3, 4, bias=False)
        self.head.weight = nn.Parameter(weight)  #~ warning[GS305]: two leaves have one memory

    def forward(self):
        return self.head(torch.tanh(self.table[tokens]))


def loss_of(weight):
    return Tied(weight)().logsumexp(-1).sum()


weight = torch.randn(4, 3, requires_grad=True)
loss_of(weight).backward()
CHECKED = (loss_of, (weight,))
