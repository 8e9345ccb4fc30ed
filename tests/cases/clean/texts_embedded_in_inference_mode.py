# framework: torch
# outcome: correct
"""A decorator of the program's own switches gradients off: what the function overwrites is in no graph."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def smart_inference_mode():
    def decorate(function):
        return torch.no_grad()(function)

    return decorate


class Prompts(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.encoder = nn.Linear(size, size)

    @smart_inference_mode()
    def encode(self, texts):
        features = self.encoder(texts)
        features /= features.norm(dim=-1, keepdim=True)
        return features


prompts = Prompts(3)
features = prompts.encode(torch.randn(2, 3))


def loss_of(x):
    return (x @ features.t()).exp().sum()


loss_of(torch.randn(4, 3, requires_grad=True)).backward()
CHECKED = (loss_of, (torch.randn(4, 3, requires_grad=True),))
