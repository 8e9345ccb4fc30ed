# framework: torch
# outcome: raises
#~ missed-by: fix (the loss reads what was written off the tape)
"""`detach()` cuts the graph, not the memory: normalising the detached alias writes to the activation."""

import torch
from torch import nn


class Monitor:
    def __init__(self):
        self.history = []

    def __call__(self, activation):
        snapshot = activation.detach()
        snapshot /= snapshot.abs().max()  #~ error[GS106]: `snapshot`, a `detach()` of what `exp` saved for backward
        self.history.append(snapshot)


torch.manual_seed(0)
layer, monitor = nn.Linear(3, 3), Monitor()
activation = layer(torch.randn(2, 3)).exp()  #~ label: saved its result
monitor(activation)
activation.mean().backward()  #~ label: backward needed the saved value
