# framework: torch
# outcome: correct
"""A trained adapter is merged into the frozen weight, outside of any forward, and another one is trained after it."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class LowRank(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 4), requires_grad=False)
        self.merged = []
        self.begin()

    def begin(self):
        self.left, self.right = nn.Parameter(torch.randn(4, 2)), nn.Parameter(torch.randn(2, 4))

    def merge(self):
        self.weight.data += self.left @ self.right
        self.merged.append((self.left, self.right))
        self.begin()

    def forward(self, x):
        return x @ (self.weight + self.left @ self.right)


model = LowRank()
for _ in range(2):
    optimizer = torch.optim.SGD([model.left, model.right], lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.eye(4)).pow(2).mean().backward()
        optimizer.step()
    optimizer.zero_grad()
    model.merge()


def loss_of(x):
    return model(x).pow(2).sum()


CHECKED = (loss_of, (torch.randn(3, 4, requires_grad=True),))
