# framework: torch
# outcome: wrong-gradient
"""A function of the script wraps what it computed; nobody trains the new parameter."""
#~ missed-by: static (outside of a module's forward)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def prompt_of(x):
    return torch.nn.Parameter(torch.tanh(x))  #~ warning[GS305]: wrapped as a new parameter


other = torch.randn(3, 4, requires_grad=True)


def loss_of(x):
    return (prompt_of(x) * other).sum() + 0 * x.detach().sum()


def loss_with_gradient(x):
    return loss_of(x) + 0 * x.sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_with_gradient, (x,))
