# framework: torch
# outcome: correct
"""Losses are copied into a new tensor for a log, and a fresh leaf is made of numbers."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

log = []


def loss_of(x):
    losses = [(x[i] ** 2).mean() for i in range(3)]
    log.append(torch.tensor([each.item() for each in losses]).max())
    scale = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    return (torch.stack(losses) * scale.detach()).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
