# framework: torch
# outcome: correct
"""A checkpointed lambda takes the layer of its loop as the default of a parameter."""

import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

layers = [torch.nn.Linear(4, 4) for _ in range(2)]


def loss_of(x):
    for layer in layers:
        x = checkpoint(lambda h, layer=layer: torch.tanh(layer(h)), x, use_reentrant=False)
    return x.sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
