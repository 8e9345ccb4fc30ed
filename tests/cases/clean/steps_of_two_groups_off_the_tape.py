# framework: torch
# outcome: correct
"""Parameters are stepped by hand, group by group, where gradients are not recorded."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
groups = [{"params": list(net[0].parameters()), "lr": 0.1}, {"params": list(net[2].parameters()), "lr": 0.2}]
for _ in range(2):
    net(torch.ones(4, 2)).sum().backward()
    with torch.no_grad():
        for group in groups:
            for p in group["params"]:
                p -= group["lr"] * p.grad
                p.grad = None


def loss_of(x):
    return net(x).sum()


CHECKED = (loss_of, (torch.ones(4, 2, requires_grad=True),))
