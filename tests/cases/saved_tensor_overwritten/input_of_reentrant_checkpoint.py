# framework: torch
# outcome: raises
import torch
from torch.utils.checkpoint import checkpoint


def scaled(h):
    return 2.0 * h


def loss_of(x):
    h = x.exp().cumsum(0)
    wide = checkpoint(scaled, h, use_reentrant=True)  #~ label: here, at version 0
    h.add_(1.0)  #~ error[GS101]: modified in place
    return (wide * wide).sum() + h.sum()


torch.manual_seed(0)
loss_of(torch.randn(2, 3, requires_grad=True)).backward()
