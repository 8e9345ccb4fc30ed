# framework: torch
# outcome: correct
"""A parameter is expanded where it is used; what an optimizer steps has memory of its own."""

import torch

torch.set_default_dtype(torch.float64)


class Scale(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(1, 3))

    def forward(self, x):
        return x * self.gain.expand(4, 3)


torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(2, 3), Scale())
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(2):
    optimizer.zero_grad()
    net(torch.randn(4, 2)).square().mean().backward()
    optimizer.step()


def loss_of(x):
    return net(x).square().mean()


CHECKED = (loss_of, (torch.ones(4, 2, requires_grad=True),))
