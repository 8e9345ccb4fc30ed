# framework: torch
# outcome: correct
"""Each layer of a loop is checkpointed itself, and a function made for it holds it."""

import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

layers = [torch.nn.Linear(4, 4) for _ in range(2)]


def block_of(layer):
    def block(x):
        return torch.tanh(layer(x)) + x

    return block


def loss_of(x):
    for layer in layers:
        x = checkpoint(layer, x, use_reentrant=False)
    for layer in layers:
        x = checkpoint(block_of(layer), x, use_reentrant=False)
    return x.sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
