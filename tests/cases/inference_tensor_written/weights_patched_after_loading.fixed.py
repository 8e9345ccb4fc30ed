# framework: torch
# outcome: raises
"""A model is built in inference mode; later a low-rank patch is added to its weights, and an input is optimised."""

import torch
from torch import nn


@torch.no_grad()
def load():
    return nn.Linear(3, 3).requires_grad_(False)


torch.manual_seed(0)
model = load()
with torch.no_grad():
    for name, weight in model.named_parameters():
        weight += 0.1 * torch.ones_like(weight)
latent = torch.randn(2, 3, requires_grad=True)
model(latent).square().sum().backward()
