# framework: torch
# outcome: wrong-gradient
"""A shift is detached, reduced where there is something to reduce, and clamped in place: else it is the caller's."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

def log_total(scores, dims):
    shift = scores.detach()  #~ label: made an alias outside the graph
    for dim in dims:
        shift = shift.max(dim, keepdim=True)[0]
    shift.clamp_(min=0.0)  #~ error[GS303]: mutated off the tape
    return (scores - shift).exp().sum().log() + shift.sum()


def loss_of(x):
    return log_total(x * 2, dims=[])


x = torch.randn(2, 3, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
