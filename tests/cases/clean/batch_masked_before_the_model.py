# framework: torch
# outcome: correct
"""Data that needs no gradient is prepared in place, before anything saves it."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def prepare(batch, mean):
    batch -= mean
    batch[batch.abs() > 2] = 0.0
    batch.div_(batch.std())
    return batch


model = nn.Linear(4, 1)
for batch in torch.randn(3, 2, 4):
    model(prepare(batch, 0.1)).sum().backward()
CHECKED = (lambda x: model(x).sum(), (torch.randn(2, 4, requires_grad=True),))
