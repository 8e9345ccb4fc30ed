# framework: torch
# outcome: correct
"""A custom backward works in its own temporary."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Softplus(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.log1p(torch.exp(x))

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        slope = torch.exp(-x)
        slope.add_(1).reciprocal_().mul_(grad)
        return slope


x = torch.randn(3, requires_grad=True)
y = Softplus.apply(x).sum()
y.backward(retain_graph=True)
y.backward()
CHECKED = (lambda x: Softplus.apply(x).sum(), (torch.randn(3, requires_grad=True),))
