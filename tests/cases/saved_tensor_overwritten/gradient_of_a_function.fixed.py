# framework: torch
# outcome: raises
import torch


def loss(x: torch.Tensor) -> torch.Tensor:
    x = x * 1.0
    x += 0.5  # nothing of it is saved yet
    h = torch.tanh(x)
    h = h - h.mean()
    return h.square().sum()


torch.func.grad(loss)(torch.ones(3))
