# framework: torch
# outcome: raises
"""A discount is applied by adding a tensor to its own shifted self."""

import torch


def smooth(rewards, discount):
    rewards[:-1].add_(rewards[1:].clone(), alpha=discount)
    return rewards


scale = torch.ones(5, requires_grad=True)
smooth(scale * torch.arange(5.0), 0.9).sum().backward()
