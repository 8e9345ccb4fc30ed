# framework: torch
# outcome: correct
"""Weights are moved through their data by gradients that were computed with a graph, for a penalty."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

layer = nn.Linear(3, 1)


def penalised(x):
    out = layer(x).exp().sum()
    (grad,) = torch.autograd.grad(out, x, create_graph=True)
    return out + grad.pow(2).sum()


x = torch.randn(2, 3, requires_grad=True)
for _ in range(2):
    grads = torch.autograd.grad(penalised(x), list(layer.parameters()), create_graph=True)
    for parameter, grad in zip(layer.parameters(), grads):
        parameter.data -= 0.01 * grad
    penalised(x).backward()
CHECKED = (penalised, (x,))
