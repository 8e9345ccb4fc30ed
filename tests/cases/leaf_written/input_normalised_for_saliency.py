# framework: torch
# outcome: raises
#~ missed-by: fix (the gradient of an input or of what was made of it: the program does not say)
#~ missed-by: static (tells two writes as two findings)
"""A transform that works in place meets an input whose gradient is asked for."""

import torch
from parts_normalise import Normalise
from torch import nn


def saliency(model, image):
    image.requires_grad_()
    score = model(Normalise(0.5, 0.25)(image)).max()
    score.backward()
    return image.grad.abs()


torch.manual_seed(0)
saliency(nn.Linear(4, 2), torch.rand(1, 4))
