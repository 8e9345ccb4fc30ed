# framework: torch
# outcome: correct
"""An activation is shifted through `.data`: the derivative of an addition is one."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def quantised(x):
    level = x * 4
    level.data.add_(0.5)
    return (level / 4).sum()


x = torch.randn(5, requires_grad=True)
quantised(x).backward()
CHECKED = (quantised, (x,))
