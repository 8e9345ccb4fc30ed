# framework: torch
# outcome: correct
"""Expanded memory is copied before it is written."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(bias):
    rows = bias.expand(3, -1).clone()
    rows += torch.arange(3.0)[:, None]
    rows[0].mul_(2)
    return rows.pow(2).sum()


loss_of(torch.randn(1, 4, requires_grad=True)).backward()
CHECKED = (loss_of, (torch.randn(1, 4, requires_grad=True),))
