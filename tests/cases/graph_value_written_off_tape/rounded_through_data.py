# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""An activation is rounded through `.data`: a straight-through estimator, meant or not."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

def quantised(x):
    level = x * 4
    level.data.round_()  #~ warning[GS303]: `level` was mutated off the tape
    return (level / 4).sum()


x = torch.randn(5, requires_grad=True)
quantised(x).backward()
CHECKED = (quantised, (x,))
