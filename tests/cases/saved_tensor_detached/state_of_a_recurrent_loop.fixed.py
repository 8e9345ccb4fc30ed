# framework: torch
# outcome: raises
import torch

torch.manual_seed(0)
cell, read = torch.nn.RNNCell(2, 3), torch.nn.Linear(3, 1)
state, losses = torch.zeros(4, 3), []
for _ in range(3):
    state = cell(torch.randn(4, 2), state)
    losses.append((state * state).sum() + read(state).mean())
    state = state.detach()
sum(losses).backward()
