# framework: torch
# outcome: correct
"""The state is detached at the border of each window."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
cell = nn.RNNCell(2, 3)
optimizer = torch.optim.SGD(cell.parameters(), lr=0.1)
hidden = torch.zeros(1, 3)
for window in torch.randn(3, 4, 1, 2):
    hidden = hidden.detach()
    loss = 0.0
    for step in window:
        hidden = cell(step, hidden)
        loss += hidden.pow(2).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
CHECKED = (lambda x: cell(x, hidden.detach()).sum(), (torch.randn(1, 2, requires_grad=True),))
