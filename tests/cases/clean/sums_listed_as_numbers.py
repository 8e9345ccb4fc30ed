# framework: torch
# outcome: correct
"""A state is written in place by each step; what is listed are numbers and copies of it."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    state, sums, copies = torch.zeros_like(x), [], []
    for step in range(1, 4):
        state += step * x
        sums.append(state.sum())
        copies.append(state * 1)
    return torch.stack(sums).sum() + torch.stack(copies).pow(2).sum() + state.sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
