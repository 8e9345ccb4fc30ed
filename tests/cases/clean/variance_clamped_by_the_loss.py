# framework: torch
# outcome: correct
"""The Gaussian loss clamps a copy of the variance off the tape: its documentation says so."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

criterion = nn.GaussianNLLLoss()
target = torch.randn(6, 1)


def loss_of(mean, spread):
    return criterion(mean * 2, target, nn.functional.softplus(spread))


mean, spread = torch.randn(6, 1, requires_grad=True), torch.randn(6, 1, requires_grad=True)
for _ in range(2):
    loss_of(mean, spread).backward()
CHECKED = (loss_of, (mean, spread))
