# framework: torch
# outcome: raises
import torch
from torch.utils.checkpoint import checkpoint


def block(x: torch.Tensor) -> torch.Tensor:
    gate = torch.sigmoid(x)
    gate = gate.mul(2)
    return x * gate


torch.manual_seed(0)
x = torch.randn(3, requires_grad=True)
checkpoint(block, x, use_reentrant=True).sum().backward()
