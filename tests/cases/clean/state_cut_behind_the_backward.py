# framework: torch
# outcome: correct
import torch


def total(x):
    loss = 0.0
    for row in x:
        state = row.exp()
        square = (state * state).sum()  # saves the state
        loss = loss + square
    copy = state.detach()
    copy.detach_()
    return loss


CHECKED = (total, (torch.randn(2, 3, dtype=torch.float64, requires_grad=True),))
