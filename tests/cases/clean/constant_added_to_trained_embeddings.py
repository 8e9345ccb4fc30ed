# framework: torch
# outcome: correct
"""What a trained embedding gives is no leaf, and none of its values is saved: it may be added to."""

import torch
from torch import nn

torch.manual_seed(0)
words, head = nn.Embedding(9, 4).double(), nn.Linear(4, 2).double()
words.register_forward_hook(lambda module, given, result: result.requires_grad_(True))
ids = torch.randint(9, (2, 3))


def loss_of(shift):
    hidden = words(ids)
    hidden += shift
    return head(hidden.tanh()).pow(2).sum()


shift = torch.randn(4, dtype=torch.float64, requires_grad=True)
loss_of(shift).backward()
CHECKED = (loss_of, (shift,))
