# framework: torch
# outcome: wrong-gradient
"""A custom backward returns a slice of a workspace, which the next layer's backward fills anew."""
#~ missed-by: static (only content tells)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

workspace = torch.empty(32)


class Project(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x @ weight

    @staticmethod
    def backward(ctx, grad_output):
        x, weight = ctx.saved_tensors
        d_weight = workspace[: weight.numel()].view_as(weight)
        d_weight.copy_(x.t() @ grad_output)  #~ error[GS353]: was overwritten before it was used
        return grad_output @ weight.t(), d_weight


x = torch.randn(4, 3)
up, down = torch.randn(3, 5, requires_grad=True), torch.randn(5, 2, requires_grad=True)


def loss_of(up, down):
    return Project.apply(torch.tanh(Project.apply(x, up)), down).pow(2).sum()


loss_of(up, down).backward()
CHECKED = (loss_of, (up, down))
