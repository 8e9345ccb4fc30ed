"""The entry of a tensor-parallel region: identity forward, reduction of the gradient backward."""

import torch


class CopyToRegion(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x

    @staticmethod
    def backward(ctx, grad):
        return grad.clone()


def copy_to_region(x):
    return CopyToRegion.apply(x)  #~ label: returned this view
