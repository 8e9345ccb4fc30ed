# framework: torch
# outcome: correct
"""A custom Function doubles a part of a tensor in place and announces it; a leaf that it is given gets no gradient."""

import torch


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, part, like):
        ctx.mark_dirty(part)
        return part.mul_(2).to(like.dtype)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 2, None


torch.manual_seed(0)
values = torch.rand(6, dtype=torch.float64, requires_grad=True)
like = torch.zeros(1, dtype=torch.float64, requires_grad=True)


def loss_of(values):
    scaled = values.clone()
    Doubled.apply(scaled[:3], like)
    return (scaled * scaled).sum()


loss_of(values).backward()
CHECKED = (loss_of, (values,))
