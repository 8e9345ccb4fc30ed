# framework: torch
# outcome: wrong-gradient
"""Hooks that are registered in a loop read the factor of its last turn."""
#~ missed-by: static (hooks)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def scaled(parts):
    found = []
    for n, part in enumerate(parts):
        factor = torch.tensor(n + 2.0)  #~ warning[GS361]: `factor` was replaced
        out = part + (factor * part - part).detach()
        out.register_hook(lambda grad: grad * factor)
        found.append(out)
    return found


def loss_of(x):
    return sum(part.pow(2).sum() for part in scaled([x.sin(), x.cos()]))


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
