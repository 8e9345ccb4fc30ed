# framework: torch
# outcome: correct
"""What a region needs is handed to it; the program's own copies are replaced before backward."""

import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

temperature = 2.0


def soft(x, temperature):
    return torch.softmax(x / temperature, -1)


def loss_of(x):
    global temperature
    loss = checkpoint(soft, x, temperature, use_reentrant=False).pow(2).sum()
    temperature = 2.0
    return loss


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
