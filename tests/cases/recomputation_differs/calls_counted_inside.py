# framework: torch
# outcome: wrong-gradient
"""A region counts its own calls and uses the count; backward calls it once more."""
#~ missed-by: static (only content tells)

import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Warm(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("n", torch.zeros(()))

    def forward(self, x):
        self.n += 1  #~ error[GS354]: `n` was overwritten
        return torch.tanh(x) * self.n


def loss_of(x):
    return checkpoint(Warm(), x, use_reentrant=False).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
