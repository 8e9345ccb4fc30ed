# framework: torch
# outcome: correct
"""A buffer is updated in place at each step; it has no gradient, and the graph is given copies, and lists name the buffer itself twice."""

import torch

torch.manual_seed(0)


def loss_of(x):
    average = torch.zeros(4, dtype=torch.float64)
    seen = []
    for step, row in enumerate(x):
        average.mul_(0.9).add_(step)
        seen.append((row - average.clone()).square().sum())
    ends = (average, average)
    return torch.stack(seen).sum() + ends[0].numel()


x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
