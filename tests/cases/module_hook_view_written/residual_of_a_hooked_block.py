# framework: torch
# outcome: raises
"""A profiler hooks every block; the block that adds its residual in place refuses to run."""

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        out = self.layer(x)
        out += x  #~ error[GS206]: in-place `+=` was refused on `out`
        return out


def watch_gradients(model, norms):
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.register_full_backward_hook(lambda m, grad_in, grad_out: norms.append(grad_out[0].norm()))


torch.manual_seed(0)
model, norms = nn.Sequential(Block(), Block()), []
watch_gradients(model, norms)
model(torch.randn(2, 4)).sum().backward()
