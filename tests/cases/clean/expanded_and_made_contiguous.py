# framework: torch
# outcome: correct
"""An expanded tensor is given memory of its own before it is written."""

import torch

torch.manual_seed(0)


def loss_of(bias):
    rows = bias.expand(3, 4).contiguous()
    rows[0] = 0
    rows.mul_(2)
    return rows.square().sum()


bias = torch.randn(4, dtype=torch.float64, requires_grad=True)
loss_of(bias).backward()
CHECKED = (loss_of, (bias,))
