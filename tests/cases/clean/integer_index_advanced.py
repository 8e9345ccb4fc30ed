# framework: torch
# outcome: correct
"""An index tensor is advanced in place only after the backward that used it."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
table = nn.Embedding(6, 2)
index = torch.tensor([0, 1])
for _ in range(3):
    table(index).pow(2).sum().backward()
    index += 1
CHECKED = (lambda weight: weight[torch.tensor([0, 1])].pow(2).sum(), (torch.randn(6, 2, requires_grad=True),))
