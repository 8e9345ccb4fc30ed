# framework: torch
# outcome: correct
"""Only without a mask would the activation itself be scaled, and further down nothing goes on without one."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Weights(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.out = nn.Linear(size, 1)

    def forward(self, hidden, mask=None, length=None):
        weights = torch.relu(self.out(hidden) + 1)
        if mask is not None:
            mask = mask.transpose(1, 2).double()
            weights = weights * mask
        weights, mask = weights.squeeze(-1), mask.squeeze(-1)
        if length is not None:
            weights *= length
        return weights * mask


class Pooled(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.out = nn.Linear(size, size)

    def forward(self, hidden, mask=None):
        weights = torch.exp(self.out(hidden))
        if mask is not None:
            weights = weights * mask.transpose(1, 2)
        n_batches = mask.shape[0]
        weights /= n_batches
        return weights


network, pooled = Weights(3), Pooled(3)


def loss_of(hidden):
    mask = torch.ones(2, 1, 4)
    return (network(hidden, mask, 2.0) ** 2).sum() + (pooled(hidden, mask) ** 2).sum()


loss_of(torch.rand(2, 4, 3)).backward()
CHECKED = (loss_of, (torch.rand(2, 4, 3, requires_grad=True),))
