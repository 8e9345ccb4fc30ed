# framework: torch
# outcome: correct
"""Each step makes a state of its own, writes to it in place, and keeps it."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    states, state = {}, torch.zeros(3, 4)
    for step in range(1, 4):
        state = state + step * x
        state += 1
        state *= 2
        states[step] = state
    return sum(each.pow(2).sum() for each in states.values())


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
