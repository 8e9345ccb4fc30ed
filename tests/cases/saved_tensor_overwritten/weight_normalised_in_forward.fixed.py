# framework: torch
# outcome: raises
"""A layer normalises its weight at each call, and is called twice before the one backward."""

import torch
import torch.nn.functional as F
from torch import nn


class Prototypes(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 4, bias=False)

    def forward(self, x):
        with torch.no_grad():
            self.layer.weight.copy_(F.normalize(self.layer.weight, dim=1))
        copies = {name: each.clone() for name, each in self.layer.named_parameters()}
        return torch.func.functional_call(self.layer, copies, (x,))


torch.manual_seed(0)
encoder, prototypes = nn.Linear(2, 3), Prototypes()
loss = sum(F.log_softmax(prototypes(encoder(view)), dim=1).mean() for view in torch.randn(2, 5, 2))
loss.backward()
