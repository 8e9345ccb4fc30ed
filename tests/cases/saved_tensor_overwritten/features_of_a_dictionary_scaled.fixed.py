# framework: torch
# outcome: raises
"""Features that a dictionary keeps are scaled one after the other, and one of them was saved."""

import torch
from torch import nn


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
        for key, feature in self.features.items():
            self.features[key] = feature / feature.norm()
        return self.features


taps = Taps()
taps(torch.ones(4, 2))
kept = taps.scaled()
(kept["first"].sum() + kept["second"].sum()).backward()
