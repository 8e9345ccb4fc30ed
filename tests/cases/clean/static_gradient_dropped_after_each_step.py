# framework: torch
# outcome: correct
"""A captured backward fills static gradients anew; the leaves drop them before each step."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

static = torch.zeros(3)


class Captured(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weight, x):
        ctx.save_for_backward(x)
        return (weight * x).sum().pow(2)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        static.copy_(2 * grad_output * (at.detach() * x).sum() * x)
        return static.detach(), None


at = torch.randn(3, requires_grad=True)
optimizer = torch.optim.SGD([at], lr=0.01)


def loss_of(weight):
    return Captured.apply(weight, torch.tensor([1.0, 2.0, -1.0]))


for _ in range(3):
    optimizer.zero_grad()
    loss_of(at).backward()
    torch.nn.utils.clip_grad_norm_([at], 1.0)
    optimizer.step()


def checked(weight):
    with torch.no_grad():
        at.copy_(weight)
    return loss_of(weight)


CHECKED = (checked, (at.detach().clone().requires_grad_(),))
