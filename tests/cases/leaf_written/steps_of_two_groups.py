# framework: torch
# outcome: raises
"""Parameters are stepped by hand, group by group."""

import torch
from torch import nn

net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
groups = [{"params": list(net[0].parameters()), "lr": 0.1}, {"params": list(net[2].parameters()), "lr": 0.2}]
for _ in range(2):
    net(torch.ones(4, 2)).sum().backward()
    for group in groups:
        for p in group["params"]:
            p -= group["lr"] * p.grad  #~ error[GS201]: refused on
            p.grad = None
