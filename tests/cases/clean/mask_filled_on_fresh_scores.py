# framework: torch
# outcome: correct
"""Attention scores are divided and masked in place before the softmax: a matmul does not save its result."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def attend(query, key, value):
    scores = query @ key.transpose(-1, -2)
    scores /= query.shape[-1] ** 0.5
    causal = torch.ones(scores.shape[-2:], dtype=torch.bool).triu_(1)
    scores.masked_fill_(causal, float("-inf"))
    return torch.softmax(scores, dim=-1) @ value


inputs = tuple(torch.randn(1, 3, 2, requires_grad=True) for _ in range(3))
attend(*inputs).sum().backward()
CHECKED = (lambda q, k, v: attend(q, k, v).sum(), inputs)
