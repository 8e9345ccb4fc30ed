# framework: torch
# outcome: correct
"""`detach().clone()` is memory of its own."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    h = torch.sigmoid(x)
    picture = h.detach().clone()
    picture[picture < 0.5] = 0.0
    picture /= picture.sum() + 1
    return (h * 2).sum()


x = torch.randn(4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (torch.randn(4, requires_grad=True),))
