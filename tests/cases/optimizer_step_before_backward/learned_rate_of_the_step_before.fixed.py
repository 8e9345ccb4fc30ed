# framework: torch
# outcome: raises
"""A rate that is learned: the loss after an update depends on it, and it is stepped before that loss is known."""

import torch
from torch import nn


class Rate(nn.Module):
    def __init__(self):
        super().__init__()
        self.rate = nn.Parameter(torch.tensor(0.1))
        self.gain = nn.Parameter(torch.tensor(1.0))

    def forward(self, gradient):
        return self.gain.clone() * (self.rate * gradient)


torch.manual_seed(0)
rate = Rate()
optimizer = torch.optim.SGD(rate.parameters(), lr=0.01)
weight, target = torch.randn(3, requires_grad=True), torch.ones(3)

for _ in range(3):
    loss = (weight - target).pow(2).sum()
    (gradient,) = torch.autograd.grad(loss, weight, retain_graph=True)
    optimizer.zero_grad()
    loss.backward()
    weight = weight.detach() - rate(gradient)
    optimizer.step()
