# framework: torch
# outcome: correct
"""A number that a checkpointed region reads is replaced once backward has run it again; another one meanwhile."""

import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Scaled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale, self.step = 1.0, 0

    def forward(self, x):
        return torch.tanh(x * self.scale)


block = Scaled()


def loss_of(x):
    loss = checkpoint(block, x, use_reentrant=False).sum()
    block.step += 1
    return loss


x = torch.randn(3, 4, requires_grad=True)
for scale in (1.0, 0.5):
    block.scale = scale
    loss_of(x).backward()
CHECKED = (loss_of, (x,))
