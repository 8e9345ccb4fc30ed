# framework: torch
# outcome: correct
"""A bias is added in place to summed messages: `index_add` keeps its source, not its result."""

import torch
from torch import nn


torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

source, target = torch.tensor([0, 1, 2, 2]), torch.tensor([1, 0, 1, 2])
linear, bias = nn.Linear(3, 2, bias=False), nn.Parameter(torch.randn(2))


def convolution(x):
    messages = linear(x)[source]
    out = torch.zeros(3, 2).index_add(0, target, messages)
    out += bias
    return out.sum()


x = torch.randn(3, 3).requires_grad_()
convolution(x).backward()
CHECKED = (convolution, (x,))
