# framework: torch
# outcome: correct
"""A sum is accumulated in place over steps; what is kept of each step is a copy, or is not in the graph."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    total, copies, logged = torch.zeros_like(x), [], []
    for step in range(1, 4):
        total += step * x
        copies.append(total.clone())
        logged.append(total.detach())
    pair = [total, total]
    return pair[0].pow(2).sum() + sum(each.sum() for each in copies) + logged[-1].shape[0]


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
