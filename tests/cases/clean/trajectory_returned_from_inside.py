# framework: torch
# outcome: correct
"""What a transform maps collects its states in a list, and its history is what it returns."""

import torch

torch.set_default_dtype(torch.float64)


def simulate(speed):
    position, history = torch.zeros(2), []
    for _ in range(3):
        position = position + speed
        history.append(position)
    return position, torch.stack(history)


def loss_of(speed):
    position, _, history = torch.func.vjp(simulate, speed, has_aux=True)
    return position.exp().sum() + history.square().sum()


CHECKED = (loss_of, (torch.ones(2, requires_grad=True),))
