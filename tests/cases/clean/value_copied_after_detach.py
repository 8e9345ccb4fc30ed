# framework: torch
# outcome: correct
"""A mask's value is copied into a weight on purpose: it is detached, and its gradient comes from elsewhere."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.dense = self.layer.weight.detach().clone()

    def forward(self, logits, x):
        sparse = self.dense * logits.sigmoid()
        with torch.no_grad():
            self.layer.weight.copy_(self.dense)
        return self.layer(x).sum() + sparse.sum()


model, x = Masked(), torch.randn(4, 3)
logits = torch.randn(2, 3, requires_grad=True)
model(logits, x).backward()
CHECKED = (lambda logits: model(logits, x), (logits,))
