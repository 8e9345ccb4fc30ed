# framework: torch
# outcome: correct
"""Averaged weights are copied in for the evaluation and back out again, between two steps."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
model = nn.Linear(3, 1)
average = [parameter.detach().clone() for parameter in model.parameters()]
optimizer = torch.optim.Adam(model.parameters(), lr=0.1)


@torch.no_grad()
def swap():
    for parameter, other in zip(model.parameters(), average):
        kept = parameter.clone()
        parameter.copy_(other)
        other.copy_(kept)


for batch in torch.randn(3, 2, 3):
    optimizer.zero_grad()
    model(batch).pow(2).sum().backward()
    optimizer.step()
    for mean, parameter in zip(average, model.parameters()):
        mean.lerp_(parameter.detach(), 0.5)
    swap()
    with torch.no_grad():
        model(batch)
    swap()
CHECKED = (lambda x: model(x).sum(), (torch.randn(2, 3, requires_grad=True),))
