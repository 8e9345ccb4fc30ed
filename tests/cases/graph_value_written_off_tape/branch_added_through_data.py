# framework: torch
# outcome: wrong-gradient
"""A computed branch is added through .data: it gets no gradient."""
#~ missed-by: static (what an addition adds)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    h = x * 2
    h.data.add_(torch.tanh(x))  #~ error[GS303]: was mutated off the tape
    return h.pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
