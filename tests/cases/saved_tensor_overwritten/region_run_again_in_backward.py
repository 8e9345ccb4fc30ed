# framework: torch
# outcome: raises
import torch
from torch.utils.checkpoint import checkpoint


def block(x: torch.Tensor) -> torch.Tensor:
    gate = torch.sigmoid(x)  #~ label: `sigmoid` saved its result
    gate.mul_(2)  #~ error[GS101]: `gate` was modified in place after `sigmoid` saved it
    return x * gate


torch.manual_seed(0)
x = torch.randn(3, requires_grad=True)
checkpoint(block, x, use_reentrant=True).sum().backward()
