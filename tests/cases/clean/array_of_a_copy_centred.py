# framework: torch
# outcome: correct
"""An array over a copy of an activation is centred."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    hidden = torch.tanh(x @ torch.ones(4, 2))
    array = hidden.detach().numpy().copy()
    array -= array.mean()
    return hidden.sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
