# framework: torch
# outcome: correct
"""The product of two factors goes into a frozen weight for evaluation and out of it for training; an average goes into
a frozen copy."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class LowRank(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Parameter(torch.randn(4, 2)), nn.Parameter(torch.randn(2, 4))
        self.weight = nn.Parameter(torch.randn(4, 4), requires_grad=False)
        self.average = nn.Parameter(torch.zeros(4, 4), requires_grad=False)
        self.is_merged = False

    def forward(self, x):
        if self.is_merged == self.training:
            sign = -1.0 if self.training else 1.0
            self.weight.data += sign * (self.left @ self.right)
            self.is_merged = not self.training
        if not self.training:
            return x @ self.weight
        out = x @ (self.weight + self.left @ self.right)
        self.average.data.mul_(0.9).add_(0.1 * (self.left @ self.right))
        return out + 0.0 * (x @ self.average)


model = LowRank()


def loss_of(x):
    return model(x).pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
model.eval()
model(x).sum().backward()
model.train()
CHECKED = (loss_of, (x,))
