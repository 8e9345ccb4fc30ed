# framework: torch
# outcome: raises
"""Features of a frozen encoder are computed under `inference_mode` and fed to a trained head."""

import torch
from torch import nn


class FrozenEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    @torch.inference_mode()
    def forward(self, x):
        return torch.tanh(self.layer(x))


torch.manual_seed(0)
encoder, head = FrozenEncoder(), nn.Linear(3, 1)
features = encoder(torch.randn(5, 4))
loss = head(features.clone()).mean()
loss.backward()
