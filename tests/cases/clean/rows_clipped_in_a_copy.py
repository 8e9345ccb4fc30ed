# framework: torch
# outcome: correct
"""A custom Function clips a copy with NumPy."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class RowSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        rows = x.detach().numpy().copy()
        rows[rows > 0.5] = 0.5
        ctx.mark_non_differentiable(result := torch.tensor(rows.sum()))
        return result

    @staticmethod
    def backward(ctx, grad_output):
        return None


def loss_of(x):
    hidden = x * 2
    RowSum.apply(hidden)
    return hidden.pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
