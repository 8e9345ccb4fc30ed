# framework: torch
# outcome: correct
import torch


def total(x):
    state, loss = torch.zeros(3, dtype=torch.float64), 0.0
    for row in x:
        state = torch.tanh(state + row)  # saves its result, not the state
        loss = loss + state.sum()
        state = state.detach()
        state.detach_()
    return loss


CHECKED = (lambda row: total(row.view(1, 3)), (torch.randn(3, dtype=torch.float64, requires_grad=True),))
