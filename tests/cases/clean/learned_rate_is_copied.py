# framework: torch
# outcome: correct
"""A rate that is learned: the loss after an update depends on a copy of it, which the rate's step leaves alone."""

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


def loss_after(gain, gradient):
    learned = torch.func.functional_call(rate.double(), {"gain": gain}, (gradient,))
    return (weight.detach().double() - learned - 1.0).pow(2).sum()


CHECKED = (loss_after, (rate.gain.detach().double().requires_grad_(), gradient.double().requires_grad_()))
