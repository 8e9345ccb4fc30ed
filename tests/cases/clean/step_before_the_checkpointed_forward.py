# framework: torch
# outcome: correct
"""An optimizer steps before the checkpointed forward pass."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

WEIGHT = torch.randn(3, 3)


def second_loss(x):
    layer = nn.Linear(3, 3, bias=False)
    layer.weight.data.copy_(WEIGHT)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
    layer(torch.ones(2, 3)).pow(2).sum().backward(inputs=[layer.weight])
    optimizer.step()
    return checkpoint(lambda x: layer(x).tanh(), x, use_reentrant=False).sum()


x = torch.randn(2, 3, requires_grad=True)
second_loss(x).backward()
CHECKED = (second_loss, (x,))
