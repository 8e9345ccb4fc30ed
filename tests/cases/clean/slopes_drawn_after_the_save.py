# framework: torch
# outcome: correct
"""The randomised leaky ReLU draws its slopes after it saved them, plainly, in place and in a region computed again."""

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop

torch.set_default_dtype(torch.float64)


def activate(x):
    h = F.rrelu(x, 0.1, 0.9, training=True)
    return F.rrelu(h - 0.5, 0.2, 0.4, training=True, inplace=True)


def loss_of(x):
    torch.manual_seed(0)
    y = activate(2 * x)
    with set_checkpoint_early_stop(False):
        return checkpoint(activate, y, use_reentrant=False).pow(2).sum()


with set_checkpoint_early_stop(False):
    loss_of(torch.randn(4, 5, requires_grad=True)).backward()
torch.manual_seed(1)
CHECKED = (loss_of, (torch.randn(4, 5, requires_grad=True),))
