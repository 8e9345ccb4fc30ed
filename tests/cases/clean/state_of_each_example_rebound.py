# framework: torch
# outcome: correct
"""The state of a mapped recurrence is a new tensor in each step."""

import torch

torch.set_default_dtype(torch.float64)


def roll(cell, sequence):
    state = torch.zeros(3)
    for x in sequence:
        state = 0.9 * state + torch.tanh(cell @ x)
    return state.square().sum()


per_example = torch.func.vmap(roll, in_dims=(None, 0))


def loss_of(cell):
    return per_example(cell, torch.ones(5, 4, 2)).sum()


CHECKED = (loss_of, (torch.ones(3, 2, requires_grad=True),))
