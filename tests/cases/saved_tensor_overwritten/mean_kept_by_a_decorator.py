# framework: torch
# outcome: raises
"""A decorator keeps a running mean under a name made of the method's; the second call writes what the first saved."""

import torch
from torch import nn


def centred(decay):
    def decorate(method):
        def wrapped(self, *args):
            value = method(self, *args)
            name = f"_{method.__name__}_mean"
            if not hasattr(self, name):
                setattr(self, name, value.detach().clone())
            mean = getattr(self, name)
            mean.mul_(decay)  #~ error[GS101]: was modified in place
            return value * mean

        return wrapped

    return decorate


class Prototypes(nn.Module):
    def __init__(self):
        super().__init__()
        self.sprites, self.latent = nn.Parameter(torch.rand(3, 5)), nn.Linear(5, 5)

    @centred(0.9)
    def decode(self, x):
        return torch.sigmoid(self.latent(x))

    def forward(self, x):
        colour, shape = self.decode(self.sprites), self.decode(self.sprites.flip(1))
        return (x[:, None] - (colour + shape)[None]).pow(2).sum(-1)


torch.manual_seed(0)
model = Prototypes()
model(torch.rand(8, 5)).mean().backward()
