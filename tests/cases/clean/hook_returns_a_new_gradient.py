# framework: torch
# outcome: correct
"""A hook that clips the gradient out of place, and one that only looks."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
norms = []


def loss_of(x):
    h = torch.tanh(x)
    h.register_hook(lambda grad: grad.clamp(-10, 10))
    h.register_hook(lambda grad: norms.append(grad.detach().clone().mul_(2).norm()))
    return (h * h).sum()


loss_of(torch.randn(3, requires_grad=True)).backward()
CHECKED = (loss_of, (torch.randn(3, requires_grad=True),))
