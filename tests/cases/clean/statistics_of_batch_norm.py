# framework: torch
# outcome: correct
"""Two forward passes before one backward: running statistics move, and training mode does not read them."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
norm = nn.BatchNorm1d(3)
layer = nn.Linear(3, 3)


def loss_of(x):
    return (norm(layer(x)).sin() + norm(layer(x * 2)).cos()).sum()


loss_of(torch.randn(4, 3)).backward()
CHECKED = (loss_of, (torch.randn(4, 3, requires_grad=True),))
