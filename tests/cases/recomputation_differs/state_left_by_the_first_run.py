# framework: torch
# outcome: wrong-gradient
"""A recurrent block begins with no state and leaves its last one on the module, where the second run begins."""
#~ missed-by: static (only content tells)

import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Recurrence(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.state = None

    def forward(self, x):
        state = torch.zeros(4) if self.state is None else self.state
        for row in x:
            state = torch.sigmoid(row) * state + row  #~ label: this value of the region differed
        self.state = state.detach()  #~ error[GS354]: `state` was replaced
        return state.pow(2)


def loss_of(x):
    return checkpoint(Recurrence(), x, use_reentrant=False).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
