# framework: torch
# outcome: correct
"""Memory is kept for what two branches give in evaluation; in training their outputs are joined in new memory."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
left, right = nn.Linear(2, 3), nn.Linear(2, 3)
joined = torch.empty(4, 6)


def loss_of(x):
    with torch.no_grad():
        torch.cat([left(x), right(x)], dim=1, out=joined)
    return torch.cat([left(x), right(x)], dim=1).exp().sum() * joined.mean().sign()


x = torch.ones(4, 2, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
