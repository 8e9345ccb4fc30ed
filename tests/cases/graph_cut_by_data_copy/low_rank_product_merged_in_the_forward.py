# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""The product of two factors is added to the data of a frozen weight, in each forward of training."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Merged(nn.Module):
    def __init__(self, left, right):
        super().__init__()
        self.left, self.right = left, right
        self.weight = nn.Parameter(torch.ones(4, 4), requires_grad=False)
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x):
        self.weight.data += self.left @ self.right  #~ warning[GS304]: its gradient ends there
        return (x * self.scale) @ self.weight


def loss_of(left, right):
    return Merged(left, right)(torch.eye(4)).pow(2).sum()


left, right = torch.randn(4, 2, requires_grad=True), torch.randn(2, 4, requires_grad=True)
loss_of(left, right).backward()
CHECKED = (loss_of, (left, right))
