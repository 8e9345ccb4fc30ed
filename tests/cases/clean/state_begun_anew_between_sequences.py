# framework: torch
# outcome: correct
import torch

state = torch.zeros(3, dtype=torch.float64)


def loss(decay):
    global state
    state = torch.zeros_like(state)
    for _ in range(3):
        state = decay * state + 1
    return state.square().sum()


for _ in range(2):
    loss(torch.full((3,), 0.9, dtype=torch.float64, requires_grad=True)).backward()

CHECKED = (loss, (torch.full((3,), 0.9, dtype=torch.float64, requires_grad=True),))
