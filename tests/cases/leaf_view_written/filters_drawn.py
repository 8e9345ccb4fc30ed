# framework: torch
# outcome: raises
#~ missed-by: fix (the picture is made of the view that was written: whether the filter was to be scaled isn't known)
#~ missed-by: static (a view of a parameter is written in the function that it is given to)
"""A layer's filters are stretched for a picture, by a function that writes into what it is given."""

import torch


def stretched(image):
    image.sub_(0.5)  #~ error[GS202]: in-place `sub_` was refused
    image.mul_(2.0)
    return image


torch.manual_seed(0)
layer = torch.nn.Linear(3, 2)
pictures = torch.zeros(2, 3)
for n in range(2):
    pictures[n] = stretched(layer.weight[n]).detach()
layer(torch.randn(4, 3)).square().mean().backward()
