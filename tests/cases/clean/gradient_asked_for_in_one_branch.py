# framework: torch
# outcome: correct
"""A fresh tensor is made a leaf that requires grad on one path only, and is filled on the other."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Extractor(nn.Module):
    def __init__(self, size, is_empty=False):
        super().__init__()
        self.linear = nn.Linear(size, size)
        self.is_empty = is_empty

    def forward(self, features, rows):
        found = features.new_zeros(len(rows), features.size(1))
        if torch.__version__ == "other":
            found.requires_grad = True
        if len(rows) == 1:
            return found
        found[rows] = self.linear(features)
        return found


extractor = Extractor(3)


def loss_of(x):
    return extractor(x, torch.tensor([1, 0])).pow(2).sum()


loss_of(torch.randn(2, 3)).backward()
CHECKED = (loss_of, (torch.randn(2, 3, requires_grad=True),))
