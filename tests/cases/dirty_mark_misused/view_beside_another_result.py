# framework: torch
# outcome: raises
#~ missed-by: fix (dirty marks)
#~ missed-by: static (dirty marks)
"""A Function centres its input in place and returns the mean as well; a caller passes a slice."""

import torch
from torch import nn


class Centre(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        mean = x.mean()
        ctx.mark_dirty(x)  #~ error[GS210]: but it is a view and the Function returns several tensors
        x.sub_(mean)
        return x, mean

    @staticmethod
    def backward(ctx, grad, grad_mean):
        return grad - grad.mean() + grad_mean / grad.numel()


torch.manual_seed(0)
features = nn.Linear(3, 6)(torch.randn(2, 3))
left, mean = Centre.apply(features[:, :3])  #~ label: raised here
(left.sum() + mean).backward()
