# framework: torch
# outcome: raises
"""The words of a codebook are stepped before the shares of points, which saved them, go backward."""

import torch
from torch import nn


class Codebook(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(3, 2)
        self.optimizer = torch.optim.SGD(self.words.parameters(), lr=0.1)

    def forward(self, points):
        shares = torch.softmax(-torch.cdist(points, self.words.weight), dim=1)  #~ label: `cdist` saved its
        nearest = self.words(shares.argmax(dim=1))
        (points.detach() - nearest).square().mean().backward()
        self.optimizer.step()  #~ error[GS102]: updated by `SGD.step`
        return shares.square().sum()


torch.manual_seed(0)
encoder, codebook = nn.Linear(4, 2), Codebook()
codebook(encoder(torch.ones(5, 4))).backward()
