# framework: torch
# outcome: correct
"""A convolution does not save its result: the activation may overwrite it."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Stem(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, image):
        return self.pool(self.conv(image).relu_())


stem = Stem()
stem(torch.randn(2, 1, 5, 5)).sum().backward()
CHECKED = (lambda image: stem(image).sum(), (torch.randn(1, 1, 5, 5, requires_grad=True),))
