# framework: torch
# outcome: correct
"""Two models are trained side by side: each step writes only parameters that no open graph saved."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
models = [nn.Sequential(nn.Linear(3, 3), nn.Sigmoid(), nn.Linear(3, 1)) for _ in range(2)]
optimizers = [torch.optim.Adam(model.parameters()) for model in models]
for batch in torch.randn(3, 2, 3):
    losses = [model(batch).pow(2).mean() for model in models]
    for loss, optimizer in zip(losses, optimizers):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
CHECKED = (lambda x: models[0](x).sum(), (torch.randn(2, 3, requires_grad=True),))
