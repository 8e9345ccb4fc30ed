# framework: torch
# outcome: wrong-gradient
"""An unpack hook stages both factors of a product in one buffer."""
#~ missed-by: static (hooks)
#~ missed-by: plain (only content tells)

import torch
from torch.autograd.graph import saved_tensors_hooks

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

staging = torch.empty(3, 4)


def unpack(host):
    staging.copy_(host)  #~ error[GS402]: what an unpack hook returned for `mul` was overwritten
    return staging


def loss_of(x):
    one, other = torch.sin(x), torch.cos(x)
    with saved_tensors_hooks(torch.Tensor.clone, unpack):
        product = one * other
    return product.sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
