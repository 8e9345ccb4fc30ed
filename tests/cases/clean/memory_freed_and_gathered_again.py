# framework: torch
# outcome: correct
"""The memory of a weight is given up after the forward pass, and filled again from its shard for the backward."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

layer = nn.Linear(3, 3, bias=False)
shard = layer.weight.detach().clone()


def gathered(x):
    out = layer(x.tanh()).pow(2).sum()
    layer.weight.untyped_storage().resize_(0)
    layer.weight.untyped_storage().resize_(shard.untyped_storage().nbytes())
    layer.weight.data.copy_(shard)
    return out


x = torch.randn(2, 3, requires_grad=True)
gathered(x).backward()
CHECKED = (gathered, (x,))
