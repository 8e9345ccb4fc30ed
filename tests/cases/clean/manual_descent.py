# framework: torch
# outcome: correct
"""Gradient descent by hand, after backward and under `no_grad`."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
weight = torch.randn(3, requires_grad=True)
data = torch.randn(5, 3)
for _ in range(3):
    loss = (data @ weight).pow(2).mean()
    loss.backward()
    with torch.no_grad():
        weight -= 0.1 * weight.grad
        weight.clamp_(-1, 1)
    weight.grad.zero_()
CHECKED = (lambda w: (data @ w).pow(2).mean(), (torch.randn(3, requires_grad=True),))
