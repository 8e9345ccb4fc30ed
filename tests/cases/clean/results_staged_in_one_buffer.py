# framework: torch
# outcome: correct
"""An unpack hook stages what it gives in one buffer, but every node asks for one tensor only."""

import torch
from torch.autograd.graph import saved_tensors_hooks

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

staging = torch.empty(3, 4)


def unpack(host):
    staging.copy_(host)
    return staging


def loss_of(x):
    with saved_tensors_hooks(torch.Tensor.clone, unpack):
        h = torch.tanh(torch.sigmoid(x))
    return h.sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
