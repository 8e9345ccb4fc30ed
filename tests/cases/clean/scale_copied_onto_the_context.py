# framework: torch
# outcome: correct
"""Functions share a recipe whose scale each backward moves on; each has copied the scale of its call to its context."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Recipe:
    def __init__(self):
        self.scale = torch.tensor(8.0)


class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, recipe):
        ctx.recipe = recipe
        ctx.scale = recipe.scale.clone()
        ctx.save_for_backward(x * ctx.scale)
        return x * x

    @staticmethod
    def backward(ctx, grad_output):
        (scaled,) = ctx.saved_tensors
        ctx.recipe.scale.mul_(0.5)
        return grad_output * 2 * scaled / ctx.scale, None


def loss_of(x):
    recipe = Recipe()
    return Scaled.apply(Scaled.apply(x, recipe), recipe).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
