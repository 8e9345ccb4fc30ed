# framework: torch
# outcome: correct
"""Four small batches, one step."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True), nn.Linear(3, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for index, batch in enumerate(torch.randn(8, 2, 3)):
    (model(batch).pow(2).mean() / 4).backward()
    if index % 4 == 3:
        for parameter in model.parameters():
            parameter.grad.clamp_(-1, 1)
        optimizer.step()
        optimizer.zero_grad()
CHECKED = (lambda x: model(x).sum(), (torch.randn(2, 3, requires_grad=True),))
