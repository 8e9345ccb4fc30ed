# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""Rows of padding are set to zero under `no_grad`, the encoder gets gradients for them all the same."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

def pooled(x, length=2):
    hidden = x * 3
    with torch.no_grad():
        hidden[length:] = 0  #~ error[GS303]: `hidden` was mutated off the tape
    return hidden.sum()


x = torch.randn(4, 3, requires_grad=True)
pooled(x).backward()
CHECKED = (pooled, (x,))
