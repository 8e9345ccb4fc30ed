# framework: torch
# outcome: raises
"""Two dropouts of one stack write over what the activations before them saved; one line runs them all."""

import torch
from torch import nn


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.Linear(6, 8), nn.LeakyReLU(0.2, inplace=True), nn.Dropout(0.3, inplace=True),
            nn.Linear(8, 8), nn.LeakyReLU(0.2, inplace=True), nn.Dropout(0.3, inplace=True),
            nn.Linear(8, 1),
        )

    def forward(self, x):
        return self.main(x)  #~ error[GS101]: was modified in place


torch.manual_seed(0)
model = Discriminator()
model(torch.randn(4, 6)).sum().backward()
