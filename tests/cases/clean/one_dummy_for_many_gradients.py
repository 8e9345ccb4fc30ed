# framework: torch
# outcome: correct
"""Backward adds the weight's gradient to a buffer of its own, and gives each leaf an alias of one dummy that stays zero."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

dummy = torch.zeros(3, 3)
fused: dict[int, torch.Tensor] = {}


class Project(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, key):
        ctx.save_for_backward(x, weight)
        ctx.key = key
        return x @ weight

    @staticmethod
    def backward(ctx, grad_output):
        x, weight = ctx.saved_tensors
        fused.setdefault(ctx.key, torch.zeros_like(weight)).add_(x.t() @ grad_output)
        return grad_output @ weight.t(), dummy.detach(), None


first, second = torch.randn(3, 3, requires_grad=True), torch.randn(3, 3, requires_grad=True)
start = torch.randn(4, 3, requires_grad=True)


def loss_of(x):
    return Project.apply(torch.tanh(Project.apply(x, first, 1)), second, 2).pow(2).sum()


for _ in range(3):
    loss_of(start).backward()
CHECKED = (loss_of, (start,))
