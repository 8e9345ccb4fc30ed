# framework: torch
# outcome: correct
"""Parameters made of other ones that are let go, that one SGD steps beside them, or that no backward reaches together."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(4, 3), nn.Linear(3, 4, bias=False)
        self.head.weight = nn.Parameter(self.table.weight)

    def forward(self, tokens):
        return self.head(torch.tanh(self.table(tokens)))


class Normed(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.direction = nn.Parameter(layer.weight)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return x @ (self.scale * self.direction / self.direction.norm())


both = Tied()
optimizer = torch.optim.SGD(both.parameters(), lr=0.1)
both(torch.tensor([0, 2])).logsumexp(-1).sum().backward()
optimizer.step()

layer = nn.Linear(3, 3)
normed = Normed(layer)
normed(torch.eye(3)).pow(3).sum().backward()
layer(torch.eye(3)).pow(2).sum().backward()


def loss_of(x):
    return normed(x).pow(3).sum()


CHECKED = (loss_of, (torch.randn(2, 3, requires_grad=True),))
