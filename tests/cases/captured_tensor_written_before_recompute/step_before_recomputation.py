# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""An optimizer steps between a checkpointed forward pass and its backward."""

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
    hidden = checkpoint(lambda x: layer(x).tanh(), x, use_reentrant=False)  #~ label: backward runs it again
    layer(x).pow(2).sum().backward(inputs=[layer.weight])
    optimizer.step()  #~ error[GS401]: was updated by `SGD.step` before the checkpointed region
    return hidden.sum()


x = torch.randn(2, 3, requires_grad=True)
second_loss(x).backward()
CHECKED = (second_loss, (x,))
