# framework: torch
# outcome: correct
"""A slice of a product is scaled in place: recorded, and nothing of the product was saved."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    h = x * 2
    h[:, :2] *= 3
    h[:, 2] = 0.0
    h.view(-1)[0] += 1
    return h.exp().sum()


loss_of(torch.randn(2, 4, requires_grad=True)).backward()
CHECKED = (loss_of, (torch.randn(2, 4, requires_grad=True),))
