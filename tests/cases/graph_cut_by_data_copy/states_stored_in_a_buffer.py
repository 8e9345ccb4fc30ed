# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""States are stored in a preallocated tensor through `.data`, and a head reads them there."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

x = torch.randn(3, 2, 4)


class Encoder(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(weight) if not weight.requires_grad else weight
        self.head = nn.Linear(4, 1)

    def forward(self, x):
        h, states = torch.zeros(2, 4), torch.zeros(3, 2, 4)
        for t, row in enumerate(x):
            h = torch.tanh(row + h @ self.weight)
            states.data[t] = h  #~ warning[GS304]: its gradient ends there
        return self.head(states).pow(2).sum()


def loss_of(weight):
    return Encoder(weight)(x) + 0.0 * weight.sum()


model = Encoder(torch.randn(4, 4))
model(x).backward()
CHECKED = (loss_of, (torch.randn(4, 4, requires_grad=True),))
