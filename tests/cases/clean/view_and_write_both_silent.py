# framework: torch
# outcome: correct
"""A parameter's row is reset under `no_grad`, view and write inside the block."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
embedding = nn.Embedding(4, 2, padding_idx=0)
optimizer = torch.optim.SGD(embedding.parameters(), lr=0.1)
for _ in range(2):
    optimizer.zero_grad()
    embedding(torch.tensor([0, 1, 2])).pow(2).sum().backward()
    optimizer.step()
    with torch.no_grad():
        padding = embedding.weight[0]
        padding.zero_()
CHECKED = (lambda w: w[torch.tensor([1, 2])].pow(2).sum(), (torch.randn(4, 2, requires_grad=True),))
