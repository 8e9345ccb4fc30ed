# framework: torch
# outcome: correct
"""A checkpointed block that chooses between two sums saves nothing: its input may be scaled in place afterwards."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)


class Shortcut(nn.Module):
    def __init__(self, is_residual):
        super().__init__()
        self.is_residual = is_residual
        self.shift = nn.Parameter(torch.linspace(-1.0, 1.0, 3))

    def forward(self, h, skip):
        if self.is_residual:
            return h + skip + self.shift
        return 0.5 * h + self.shift


plain, residual = Shortcut(False), Shortcut(True)


def loss_of(x, skip):
    h = x.cumsum(0)
    wide = checkpoint(plain, h, skip, use_reentrant=False) + checkpoint(residual, h, skip, use_reentrant=False)
    h.mul_(0.1)
    return wide.pow(2).sum() + h.sum()


torch.manual_seed(0)
x, skip = (torch.randn(2, 3, requires_grad=True) for _ in range(2))
loss_of(x, skip).backward()
CHECKED = (loss_of, (x, skip))
