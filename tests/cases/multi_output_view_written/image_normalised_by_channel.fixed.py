# framework: torch
# outcome: raises
"""A transform written for images off the tape walks over the channels and standardises each in place."""

import torch
from torch import nn


class Standardise:
    def __init__(self, means, stds):
        self.means, self.stds = means, stds

    def __call__(self, image):
        for n, mean, std in zip(range(len(image)), self.means, self.stds):
            channel = image[n]
            channel.sub_(mean).div_(std)
        return image


torch.manual_seed(0)
perturb = nn.Conv2d(2, 2, 1)
image = perturb(torch.rand(1, 2, 3, 3))[0]
Standardise([0.5, 0.4], [0.2, 0.3])(image).square().mean().backward()
