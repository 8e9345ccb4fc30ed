# framework: torch
# outcome: correct
"""An unpack hook gives every factor of a product memory of its own."""

import torch
from torch.autograd.graph import saved_tensors_hooks

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    one, other = torch.sin(x), torch.cos(x)
    with saved_tensors_hooks(lambda t: t.numpy(force=True).copy(), lambda a: torch.from_numpy(a.copy())):
        product = one * other
    return product.sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
