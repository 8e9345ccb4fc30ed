# framework: torch
# outcome: correct
"""The product of frozen factors goes into a frozen weight, under `no_grad`."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Merged(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.left = torch.nn.Parameter(torch.randn(4, 2), requires_grad=False)
        self.right = torch.nn.Parameter(torch.randn(2, 4), requires_grad=False)
        self.weight = torch.nn.Parameter(torch.randn(4, 4), requires_grad=False)
        self.is_merged = False

    def forward(self, x):
        if not self.is_merged:
            with torch.no_grad():
                self.weight.data += self.left @ self.right
            self.is_merged = True
        return x @ self.weight


model = Merged()


def loss_of(x):
    return model(x).pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
