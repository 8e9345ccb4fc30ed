# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""A recurrent state carries its graph over a fused step."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

WEIGHT = torch.randn(3, 3)


def two_steps(x):
    weight = nn.Parameter(WEIGHT.clone())
    optimizer = torch.optim.Adam([weight], lr=0.5, fused=True)
    state = torch.tanh(x @ weight)  #~ label: saved
    state.sum().backward(retain_graph=True, inputs=[weight])
    optimizer.step()  #~ error[GS302]: was updated by `Adam.step` before
    return (state @ weight).sum()


x = torch.randn(2, 3, requires_grad=True)
two_steps(x).backward()
CHECKED = (two_steps, (x,))
