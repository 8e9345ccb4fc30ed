# framework: torch
# outcome: correct
"""A checkpointed region shifts a value before anything saves it, when it is run again too."""
import torch
from torch.utils.checkpoint import checkpoint


def block(x: torch.Tensor) -> torch.Tensor:
    gate = torch.nn.functional.softplus(x)
    gate.add_(2)
    return x * gate


torch.manual_seed(0)
x = torch.randn(3, requires_grad=True)
checkpoint(block, x, use_reentrant=True).sum().backward()
