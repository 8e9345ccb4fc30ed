# framework: torch
# outcome: correct
"""A mask is written into scores that an addition made, before a softmax saves its result."""

import torch


def attention(query, key, position):
    scores = query @ key.t() + position
    scores[torch.ones(4, 4).triu(1) > 0] = -1e9
    return scores.softmax(-1)


def loss_of(query, key, position):
    return (attention(query, key, position) * torch.arange(16.0).reshape(4, 4)).sum()


torch.manual_seed(0)
query, key, position = (torch.randn(4, n, dtype=torch.float64, requires_grad=True) for n in (3, 3, 4))
loss_of(query, key, position).backward()
CHECKED = (loss_of, (query, key, position))
