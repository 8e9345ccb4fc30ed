# framework: torch
# outcome: raises
"""A causal mask is broadcast over the heads and then combined in place with the padding of each head."""

import torch


def combine(causal, padding):
    mask = causal.broadcast_to(padding.shape[0], *causal.shape).clone()
    mask |= padding[:, None, :]
    return mask


causal = torch.ones(3, 3, dtype=torch.bool).triu(1)
mask = combine(causal, torch.tensor([[False, False, True], [False, True, True]]))
scores = torch.randn(2, 3, 3, requires_grad=True)
scores.masked_fill(mask, 0.0).sum().backward()
