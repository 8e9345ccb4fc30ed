# framework: torch
# outcome: raises
"""A frozen embedding's result is made to require gradients, for adapters further up, and is a leaf then."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.image = nn.Embedding(9, 4), nn.Linear(3, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, hidden):
        return self.head(hidden.tanh())


class Template:
    def encode(self, model, ids):
        hidden = model.words(ids)
        hidden += model.image(torch.zeros(1, 3)).mean() * 0.0  #~ error[GS201]: was refused on
        return hidden


torch.manual_seed(0)
model = Model()
model.words.weight.requires_grad_(False)
model.words.register_forward_hook(lambda module, given, result: result.requires_grad_(True))
hidden = Template().encode(model, torch.randint(9, (2, 3)))
model(hidden).pow(2).sum().backward()
