# framework: torch
# outcome: wrong-gradient
"""A tensor hook clamps the gradient in place, and the residual branch gets it too."""
#~ missed-by: static (only content tells)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

def halve(gradient):
    gradient.mul_(0.5)  #~ error[GS353]: overwritten in place while other nodes waited


def loss_of(x):
    right = x * 3
    left = x.exp()
    left.register_hook(halve)
    return (right + left).pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
