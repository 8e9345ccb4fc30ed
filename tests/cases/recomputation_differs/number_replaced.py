# framework: torch
# outcome: wrong-gradient
"""A number kept on a module is another one by the time the region is run again."""
#~ missed-by: static (only content tells)

import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Scaled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = 1.0

    def forward(self, x):
        return torch.tanh(x * self.scale)


def loss_of(x):
    block, total = Scaled(), 0.0
    for scale in (1.0, 0.2):
        block.scale = scale  #~ error[GS354]: `scale` was replaced
        total = total + checkpoint(block, x, use_reentrant=False).sum()
    return total


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
