# framework: torch
# outcome: correct
"""An attribute that no checkpointed region reads is replaced between forward and backward."""

import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Counted(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.n_calls = torch.zeros(())

    def forward(self, x):
        return torch.exp(-x * x)


def loss_of(x):
    block = Counted()
    y = checkpoint(block, x, use_reentrant=False)
    block.n_calls = block.n_calls + 1
    return y.sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
