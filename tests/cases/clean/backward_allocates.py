# framework: torch
# outcome: correct
"""A fused backward allocates its result."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        result = torch.softmax(x, -1)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, grad_output):
        (result,) = ctx.saved_tensors
        inner = (grad_output * result).sum(-1, keepdim=True)
        return (grad_output - inner) * result


def loss_of(x):
    prior = torch.sigmoid(x)
    return (prior + Softmax.apply(x)).pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
