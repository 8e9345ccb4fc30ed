# framework: torch
# outcome: correct
"""A region counts a load that it does not read; the next step's weights are made from it outside."""

import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Router(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("load", torch.zeros(4))
        self.register_buffer("bias", torch.zeros(4))

    def forward(self, x):
        scores = torch.softmax(x - self.bias, dim=-1)
        self.load += scores.detach().sum(0)
        return scores * x

    def rebalance(self):
        self.bias += 0.1 * (self.load - self.load.mean())
        self.load.zero_()


def loss_of(x):
    return checkpoint(Router(), x, use_reentrant=False).pow(2).sum()


x, router = torch.randn(3, 4, requires_grad=True), Router()
for _ in range(2):
    checkpoint(router, x, use_reentrant=False).pow(2).sum().backward()
    router.rebalance()
CHECKED = (loss_of, (x,))
