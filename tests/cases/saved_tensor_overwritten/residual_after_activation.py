# framework: torch
# outcome: raises
"""The residual is added in place to what the activation returned; the block lives in another file."""

import torch
from parts_residual import ResidualBlock
from torch import nn


def train(model, batches):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for batch in batches:
        optimizer.zero_grad()
        loss = model(batch).square().mean()
        loss.backward()  #~ label: backward needed the saved value
        optimizer.step()


torch.manual_seed(0)
train(nn.Sequential(ResidualBlock(6), nn.Linear(6, 1)), [torch.randn(4, 6) for _ in range(2)])
