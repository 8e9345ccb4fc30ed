# framework: torch
# outcome: raises
"""A tensor hook sparsifies the activation it belongs to, while the node before it still needs it."""

import torch
from torch import nn


class SparseActivation(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        activation = torch.tanh(self.layer(x)).clone()

        def sparsify(grad):
            activation.detach()[grad.abs() < 0.1] = 0.0

        activation.register_hook(sparsify)
        return activation


torch.manual_seed(0)
SparseActivation()(torch.randn(2, 4)).mean().backward()
