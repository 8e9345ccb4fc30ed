# framework: torch
# outcome: raises
"""The hooked module itself works in place, so it writes to its own wrapped input."""

import torch
from torch import nn


class Scale(nn.Module):
    def forward(self, x):
        return x.mul_(0.5)  #~ error[GS206]: in-place `mul_` was refused


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.scale = nn.Linear(3, 3), Scale()

    def forward(self, x):
        return self.scale(self.layer(x))


torch.manual_seed(0)
net = Net()
net.scale.register_full_backward_pre_hook(lambda module, grad_output: None)
net(torch.randn(2, 3)).sum().backward()
