# framework: torch
# outcome: correct
"""`loss += term` adds in place to a sum that nobody saved."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
model = nn.Linear(3, 2)


def loss_of(x):
    loss = model(x).pow(2).mean()
    loss += 0.1 * model.weight.abs().sum()
    loss += 0.5 * model(x * 2).exp().mean()
    return loss


loss_of(torch.randn(2, 3)).backward()
CHECKED = (loss_of, (torch.randn(2, 3, requires_grad=True),))
