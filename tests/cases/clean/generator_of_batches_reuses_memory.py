# framework: torch
# outcome: correct
"""A loader hands out one buffer again and again; each batch is done before the next is written."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def batches(n_batches):
    buffer = torch.empty(2, 3)
    for _ in range(n_batches):
        yield buffer.normal_()


model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for batch in batches(3):
    optimizer.zero_grad()
    model(batch).pow(2).mean().backward()
    optimizer.step()
CHECKED = (lambda x: model(x).sum(), (torch.randn(2, 3, requires_grad=True),))
