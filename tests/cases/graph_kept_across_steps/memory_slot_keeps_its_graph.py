# framework: torch
# outcome: raises
#~ missed-by: fix (where to cut the graph is for a person to decide)
#~ missed-by: static (state kept on a module between two calls)
"""A module that remembers the last feature map and mixes it into the next one."""

import torch
from torch import nn


class Tracker(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Linear(4, 4)
        self.mix = nn.Linear(4, 4)
        self.memory = None

    def forward(self, frame):
        features = torch.tanh(self.encode(frame))
        if self.memory is not None:
            features = features + self.mix(self.memory)  #~ label: saved  #~ label: `self.memory` brings
        self.memory = features
        return features


torch.manual_seed(0)
tracker = Tracker()
optimizer = torch.optim.Adam(tracker.parameters(), lr=1e-2)
for frame in torch.randn(4, 2, 4):
    optimizer.zero_grad()
    tracker(frame).square().mean().backward(retain_graph=True)  #~ label: backward needed the saved value
    optimizer.step()  #~ error[GS103]: `mix.weight` was updated by `Adam.step` while a graph of an earlier step
