# framework: torch
# outcome: correct
"""In-place dropout after a linear layer, in training mode."""

import torch
import torch.nn.functional as F
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
first, second = nn.Linear(3, 6), nn.Linear(6, 1)


def forward(x):
    torch.manual_seed(7)
    hidden = F.dropout(first(x), 0.5, training=True, inplace=True)
    return second(F.relu(hidden, inplace=True)).sum()


forward(torch.randn(2, 3)).backward()
CHECKED = (forward, (torch.randn(2, 3, requires_grad=True),))
