# framework: torch
# outcome: correct
"""In-place activations write what nothing saved: each follows a linear layer."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

model = nn.Sequential(
    nn.Linear(4, 8),
    nn.ReLU(inplace=True),
    nn.Sequential(nn.Linear(8, 8), nn.LeakyReLU(0.1, inplace=True)),
    nn.Linear(8, 1),
)


def loss_of(x):
    return model(x).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
