# framework: torch
# outcome: correct
"""A running loss is kept as a number, or detached, never with its graph."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
running, smooth = torch.zeros(()), None
for batch in torch.randn(4, 2, 3):
    loss = model(batch).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    running += loss.detach()
    smooth = loss.item() if smooth is None else 0.9 * smooth + 0.1 * loss.item()
CHECKED = (lambda x: model(x).pow(2).mean(), (torch.randn(2, 3, requires_grad=True),))
