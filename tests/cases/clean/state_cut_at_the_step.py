# framework: torch
# outcome: correct
"""A recurrent state is cut before it is used after a fused step."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

WEIGHT = torch.randn(3, 3)


def two_steps(x):
    weight = nn.Parameter(WEIGHT.clone())
    optimizer = torch.optim.Adam([weight], lr=0.5, fused=True)
    state = torch.tanh(torch.ones(2, 3) @ weight)
    state.sum().backward(inputs=[weight])
    optimizer.step()
    return (state.detach() @ weight).sum() + x.pow(2).sum()


x = torch.randn(2, 3, requires_grad=True)
two_steps(x).backward()
CHECKED = (two_steps, (x,))
