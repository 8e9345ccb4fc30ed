# framework: torch
# outcome: raises
"""A simulator keeps all states in one tensor: each step reads row t and writes row t + 1."""

import torch


def rollout(transition, start, n_steps):
    states = torch.zeros(n_steps + 1, start.shape[0])
    states[0] = start
    for t in range(n_steps):
        moved = transition @ states[t].clone()
        states[t + 1] = moved
    return states


torch.manual_seed(0)
transition = torch.randn(3, 3, requires_grad=True)
rollout(transition, torch.ones(3), 4)[-1].sum().backward()
