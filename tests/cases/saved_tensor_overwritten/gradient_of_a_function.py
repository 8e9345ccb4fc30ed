# framework: torch
# outcome: raises
import torch


def loss(x: torch.Tensor) -> torch.Tensor:
    x = x * 1.0
    x += 0.5  # nothing of it is saved yet
    h = torch.tanh(x)  #~ label: `tanh` saved its result
    h -= h.mean()  #~ error[GS101]: `h` was modified in place after `tanh` saved it
    return h.square().sum()


torch.func.grad(loss)(torch.ones(3))
