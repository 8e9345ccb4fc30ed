# framework: torch
# outcome: correct
"""`out=` into scratch memory that takes no part in the graph."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
scratch = torch.empty(3)


def loss_of(x):
    with torch.no_grad():
        torch.mul(x, 2, out=scratch)
        torch.add(scratch, 1, out=scratch)
        n_large = int((scratch > 0).sum())
    return torch.exp(x).sum() * (n_large + 1)


loss_of(torch.ones(3, requires_grad=True)).backward()
CHECKED = (loss_of, (torch.ones(3, requires_grad=True),))
