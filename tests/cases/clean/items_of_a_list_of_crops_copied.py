# framework: torch
# outcome: correct
"""Crops are cut where gradients are not recorded, and copied before values with a gradient go into them."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
images = torch.randn(3, 4, 4)


@torch.no_grad()
def crops():
    return [image[:, :2] for image in images]


def loss_of(fill):
    cut = crops()
    for i in range(3):
        cut[i] = cut[i].clone()
        cut[i][0] = fill * i
    return torch.stack(cut).square().sum()


fill = torch.randn(2, requires_grad=True)
loss_of(fill).backward()
CHECKED = (loss_of, (fill,))
