# framework: torch
# outcome: correct
import torch
from torch.func import vmap


def member(weight, x):
    h = x @ weight
    h += 1.0  # matmul keeps its inputs, not its result
    h.mul_(0.5)
    return torch.exp(h)


def total(weights):
    x = torch.linspace(0, 1, 4, dtype=torch.float64)
    return vmap(member, in_dims=(0, None))(weights, x).square().sum()


CHECKED = (total, (torch.randn(3, 4, 2, dtype=torch.float64, requires_grad=True),))
