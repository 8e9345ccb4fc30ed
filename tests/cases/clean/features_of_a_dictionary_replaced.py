# framework: torch
# outcome: correct
"""Features that a dictionary keeps are scaled into new tensors, one after the other."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)


class Taps(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(2, 3), nn.Linear(3, 3)
        self.features = {}

    def forward(self, x):
        self.features["first"] = torch.tanh(self.first(x))
        self.features["second"] = self.second(self.features["first"])
        return self.features["second"]

    def scaled(self):
        for name, feature in self.features.items():
            self.features[name] = feature / feature.norm()
        return self.features


torch.manual_seed(0)
taps = Taps()


def loss_of(x):
    taps(x)
    kept = taps.scaled()
    return kept["first"].sum() + kept["second"].sum()


x = torch.ones(4, 2, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
