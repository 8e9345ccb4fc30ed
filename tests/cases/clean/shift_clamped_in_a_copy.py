# framework: torch
# outcome: correct
"""A detached shift is clamped out of place: the scores stay as the graph knows them."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def log_total(scores, dims):
    shift = scores.detach()
    for dim in dims:
        shift = shift.max(dim, keepdim=True)[0]
    shift = shift.clamp(min=0.0)
    return (scores - shift).exp().sum().log() + shift.max()


def loss_of(x):
    return log_total(x * 2, dims=[0, 1])


x = torch.randn(2, 3, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
