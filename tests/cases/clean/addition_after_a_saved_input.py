# framework: torch
# outcome: correct
"""The tensor is replaced, not written: the name is bound anew."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    h = torch.softmax(x, dim=0)
    h = h + 1
    h = h / h.sum()
    total = h.exp()
    total = total * 2
    return total.sum()


loss_of(torch.randn(3, requires_grad=True)).backward()
CHECKED = (loss_of, (torch.randn(3, requires_grad=True),))
