# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""The product of two factors is merged into a frozen weight for the length of a training pass, outside of the module."""

from contextlib import contextmanager

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class LowRank(nn.Module):
    def __init__(self, left, right):
        super().__init__()
        self.left, self.right = left, right
        self.weight = nn.Parameter(torch.ones(4, 4), requires_grad=False)
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x):
        return (x * self.scale) @ self.weight


@contextmanager
def merged(layer):
    kept = layer.weight.detach().clone()
    layer.weight.data += layer.left @ layer.right  #~ warning[GS304]: its gradient ends there
    yield layer
    layer.weight.data.copy_(kept)


def loss_of(left, right):
    with merged(LowRank(left, right)) as layer:
        loss = layer(torch.eye(4)).pow(2).sum()
        if torch.is_grad_enabled() and left.grad is None:
            loss.backward(retain_graph=True)
    return loss


left, right = torch.randn(4, 2, requires_grad=True), torch.randn(2, 4, requires_grad=True)
loss_of(left, right)
CHECKED = (loss_of, (left, right))
