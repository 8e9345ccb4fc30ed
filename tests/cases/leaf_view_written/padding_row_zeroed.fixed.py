# framework: torch
# outcome: raises
"""The embedding of the padding token is reset after each step, through a row of the weight."""

import torch
from torch import nn

torch.manual_seed(0)
embedding, head = nn.Embedding(6, 3), nn.Linear(3, 2)
optimizer = torch.optim.SGD([*embedding.parameters(), *head.parameters()], lr=0.1)
for tokens in torch.randint(0, 6, (2, 4)):
    optimizer.zero_grad()
    head(embedding(tokens)).sum().backward()
    optimizer.step()
    with torch.no_grad():
        embedding.weight[0].zero_()
