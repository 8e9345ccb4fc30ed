# framework: torch
# outcome: correct
"""A custom softmax works in a copy."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        array = x.detach().numpy().copy()
        array -= array.max(-1, keepdims=True)
        result = x.exp() / x.exp().sum(-1, keepdim=True)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, grad_output):
        (result,) = ctx.saved_tensors
        return result * (grad_output - (grad_output * result).sum(-1, keepdim=True))


def loss_of(x):
    logits = x * 2
    return (Softmax.apply(logits) * torch.arange(4.0)).sum() + logits.pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
