# framework: torch
# outcome: wrong-gradient
"""A region with dropout is run again without the generator's state of the first run."""
#~ missed-by: static (only content tells)

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)


def dropped(x):
    h = torch.exp(x)
    h = F.dropout(h, 0.5)  #~ error[GS354]: it draws other random numbers
    return h * h


def loss_of(x):
    torch.manual_seed(0)
    return checkpoint(dropped, x, use_reentrant=False, preserve_rng_state=False).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
