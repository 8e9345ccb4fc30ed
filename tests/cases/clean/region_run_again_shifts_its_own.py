# framework: torch
# outcome: correct
"""A checkpointed region shifts a value before anything saves it, when it is run again too."""

import torch
from torch.utils.checkpoint import checkpoint


def block(x: torch.Tensor) -> torch.Tensor:
    gate = x * 3
    gate.add_(2)
    return x * gate


def loss_of(x: torch.Tensor) -> torch.Tensor:
    return block(x).sum()


x = torch.randn(3, dtype=torch.float64, requires_grad=True)
checkpoint(block, x, use_reentrant=True).sum().backward()
CHECKED = (loss_of, (x,))
