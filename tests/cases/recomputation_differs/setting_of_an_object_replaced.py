# framework: torch
# outcome: wrong-gradient
"""A region reads a setting of an object, and a schedule goes on before backward."""
#~ missed-by: static (only content tells)

import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Settings:
    def __init__(self):
        self.temperature = 2.0

    def anneal(self):
        self.temperature = self.temperature / 2  #~ error[GS354]: `temperature` was replaced


settings = Settings()


def soft(x):
    return torch.softmax(x / settings.temperature, -1)


def loss_of(x):
    settings.temperature = 2.0  #~ label: replaced here
    loss = checkpoint(soft, x, use_reentrant=False).pow(2).sum()
    settings.anneal()
    return loss


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
