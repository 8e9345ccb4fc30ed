# framework: torch
# outcome: raises
"""Iterating over a tensor unbinds it: the rows are several views of one node."""

import torch
from torch import nn


def mask_short_sequences(features, lengths):
    for n, length in zip(range(len(features)), lengths):
        row = features[n]
        row[length:] = 0.0
    return features


torch.manual_seed(0)
features = nn.Linear(3, 3)(torch.randn(2, 5, 3))
mask_short_sequences(features, [2, 4]).sum().backward()
