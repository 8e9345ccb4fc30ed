# framework: torch
# outcome: raises
"""A straight-through estimator returns a part of its input; the caller masks it in place."""

import torch
from torch import nn


class StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits):
        ctx.width = logits.shape[1]
        return logits[:, :2]

    @staticmethod
    def backward(ctx, grad):
        return torch.nn.functional.pad(grad, (0, ctx.width - 2))


def select(logits, allowed):
    kept = StraightThrough.apply(logits)
    return kept.masked_fill(~allowed, 0.0)


torch.manual_seed(0)
logits = nn.Linear(3, 4)(torch.randn(2, 3))
select(logits, torch.tensor([True, False])).sum().backward()
