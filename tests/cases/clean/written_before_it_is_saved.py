# framework: torch
# outcome: correct
"""All writes come before the operation that saves."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    h = x.clone()
    h[0] = 5.0
    h.mul_(2)
    h += x
    return torch.sigmoid(h).pow(2).sum()


loss_of(torch.randn(3, requires_grad=True)).backward()
CHECKED = (loss_of, (torch.randn(3, requires_grad=True),))
