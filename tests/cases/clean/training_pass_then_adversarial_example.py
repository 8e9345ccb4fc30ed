# framework: torch
# outcome: correct
"""The training pass runs first, then an example is attacked in eval mode."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh())

    def forward(self, x):
        return self.layers(x).pow(2).sum()


BATCH, WEIGHT = torch.randn(8, 3) * 3, torch.randn(4, 3)


def attack(x):
    model = Classifier()
    model.layers[0].weight.data.copy_(WEIGHT)
    model.layers[0].bias.data.zero_()
    model.train()(BATCH)
    return model.eval()(x)


x = torch.randn(2, 3, requires_grad=True)
attack(x).backward()
CHECKED = (attack, (x,))
