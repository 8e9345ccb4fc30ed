# framework: torch
# outcome: correct
"""A copy of one chunk may be written in place."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
head = nn.Linear(3, 4)


def loss_of(x):
    mean, log_std = head(x).chunk(2, dim=-1)
    log_std = log_std.clone()
    log_std.clamp_(-1, 1)
    return (mean + log_std.exp()).sum()


loss_of(torch.randn(2, 3)).backward()
CHECKED = (loss_of, (torch.randn(2, 3, requires_grad=True),))
