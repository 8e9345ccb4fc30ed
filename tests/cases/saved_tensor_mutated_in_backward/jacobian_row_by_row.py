# framework: torch
# outcome: raises
#~ missed-by: fix (backward writes into the result, which is a root again)
"""A Jacobian is built with one backward a row; the custom square root works in its saved result."""

import torch


class SafeSqrt(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        root = x.clamp(min=1e-8).sqrt()
        ctx.save_for_backward(root)
        return root

    @staticmethod
    def backward(ctx, grad_output):
        (root,) = ctx.saved_tensors  #~ label: raised here
        return root.reciprocal_().mul(grad_output).div(2)  #~ error[GS107]: was modified in place during backward


def jacobian(function, x):
    y = function(x)
    return torch.stack([torch.autograd.grad(y, x, row, retain_graph=True)[0] for row in torch.eye(len(y))])


jacobian(lambda x: SafeSqrt.apply(x * 3), torch.tensor([1.0, 4.0, 9.0], requires_grad=True))  #~ label: saved
