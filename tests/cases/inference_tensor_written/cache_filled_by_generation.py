# framework: torch
# outcome: raises
"""A cache is allocated while generating and written again by the training step."""

import torch
from torch import nn


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(5, 3)
        self.cache = None

    def forward(self, tokens):
        hidden = self.embed(tokens)
        if self.cache is None:
            self.cache = torch.zeros(8, 3)
        self.cache[: len(tokens)] = hidden.detach()  #~ error[GS207]: `self.cache`, which was made under `inference_mode`
        return hidden


decoder = Decoder()
with torch.inference_mode():  #~ label: `inference_mode` was switched on here
    decoder(torch.tensor([1, 2]))
decoder(torch.tensor([3, 4, 1])).sum().backward()
