# framework: torch
# outcome: correct
"""Linear, batch norm, in-place ReLU, in-place dropout: each overwrites only what nobody saved."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
model = nn.Sequential(
    nn.Linear(3, 4),
    nn.BatchNorm1d(4),
    nn.LeakyReLU(0.1, inplace=True),
    nn.Linear(4, 4),
    nn.Dropout(0.0, inplace=True),
    nn.Linear(4, 1),
)
optimizer = torch.optim.Adam(model.parameters())
for batch in torch.randn(3, 5, 3):
    optimizer.zero_grad()
    model(batch).pow(2).mean().backward()
    optimizer.step()
CHECKED = (lambda x: model(x).sum(), (torch.randn(5, 3, requires_grad=True),))
