# framework: torch
# outcome: correct
"""Logits of a linear layer are shifted in place before the loss saves them."""

import torch
import torch.nn.functional as F
from torch import nn


torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

classifier, prior = nn.Linear(3, 4), torch.randn(4)
labels = torch.tensor([0.0, 1.0, 0.0, 1.0])


def loss_of(x):
    logits = classifier(x)
    logits += prior
    logits -= 0.5
    return F.binary_cross_entropy_with_logits(logits, labels.expand(2, 4))


x = torch.randn(2, 3).requires_grad_()
loss_of(x).backward()
CHECKED = (loss_of, (x,))
