# framework: torch
# outcome: raises
#~ missed-by: static (registered hooks)
"""A tensor hook sparsifies the activation it belongs to, while the node before it still needs it."""

import torch
from torch import nn


class SparseActivation(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        activation = torch.tanh(self.layer(x))  #~ label: saved its result

        def sparsify(grad):
            activation.detach()[grad.abs() < 0.1] = 0.0  #~ error[GS107]: was modified in place during backward

        activation.register_hook(sparsify)
        return activation


torch.manual_seed(0)
SparseActivation()(torch.randn(2, 4)).mean().backward()  #~ label: backward needed the saved value
