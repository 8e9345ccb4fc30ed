# framework: torch
# outcome: wrong-gradient
"""A region adds to a buffer after it has read it; backward runs it again with the sum."""
#~ missed-by: static (only content tells)

import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Router(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("load", torch.zeros(4))

    def forward(self, x):
        scores = torch.softmax(x - self.load, dim=-1)  #~ label: this value of the region differed
        self.load += scores.detach().sum(0)  #~ error[GS354]: `load` was overwritten
        return scores * x


def loss_of(x):
    return checkpoint(Router(), x, use_reentrant=False).pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
