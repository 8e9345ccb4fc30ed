# framework: torch
# outcome: wrong-gradient
"""A log of an activation divides a detached alias: `detach` makes no copy."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

def log_statistics(hidden):
    flat = hidden.detach()  #~ label: made an alias outside the graph
    flat /= flat.std()  #~ error[GS303]: was mutated off the tape
    return flat.mean().item()


def loss_of(x):
    hidden = x @ torch.ones(3, 3)
    log_statistics(hidden)
    return hidden.pow(2).sum()


x = torch.randn(2, 3, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
