# framework: torch
# outcome: wrong-gradient
"""An operation that is taken from `torch.ops` scales a gate under `no_grad`."""
#~ missed-by: static (an operation of the dispatcher)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
scale_ = torch.ops.aten.mul_.Tensor


def loss_of(x):
    gate = x + 1
    with torch.no_grad():
        scale_(gate, torch.tensor(2.0))  #~ error[GS303]: was mutated off the tape
    return gate.pow(2).sum()


x = torch.randn(2, 3, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
