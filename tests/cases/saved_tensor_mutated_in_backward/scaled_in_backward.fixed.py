# framework: torch
# outcome: raises
"""A loss keeps its gradient and scales it in place when backward runs; a second backward finds it scaled."""

import torch


class PrecomputedGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits, targets):
        gradient = torch.softmax(logits, dim=1) - targets
        ctx.save_for_backward(gradient)
        return -(torch.log_softmax(logits, dim=1) * targets).sum()

    @staticmethod
    def backward(ctx, grad_output):
        (gradient,) = ctx.saved_tensors
        gradient = gradient.mul(grad_output)
        return gradient, None


torch.manual_seed(0)
logits = torch.randn(3, 4, requires_grad=True)
loss = PrecomputedGradient.apply(logits, torch.eye(3, 4))
loss.backward(retain_graph=True)
loss.backward()
