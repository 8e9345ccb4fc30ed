# framework: torch
# outcome: wrong-gradient
"""The hooks of two calls read one mask, which the second call has filled again."""
#~ missed-by: static (hooks)

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Gate(nn.Module):
    """Passes on every second element; a hook takes care of the gradient."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.empty(4))
        self.n = 0

    def forward(self, x):
        self.n += 1
        self.mask.copy_((torch.arange(4) + self.n) % 2)  #~ warning[GS361]: `self.mask` was overwritten
        out = x + (x * self.mask - x).detach()
        out.register_hook(lambda grad: grad * self.mask)
        return out


def loss_of(x):
    gate = Gate()
    return gate(x).pow(2).sum() + gate(2 * x).pow(3).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
