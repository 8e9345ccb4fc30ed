# framework: torch
# outcome: correct
"""A one-hot target is scattered into zeros and smoothed before the loss reads it."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def cross_entropy(logits, labels, smoothing=0.1):
    targets = torch.zeros_like(logits).scatter_(1, labels[:, None], 1.0)
    targets.mul_(1 - smoothing).add_(smoothing / logits.shape[1])
    return -(targets * torch.log_softmax(logits, dim=1)).sum()


labels = torch.tensor([0, 2])
cross_entropy(torch.randn(2, 3, requires_grad=True), labels).backward()
CHECKED = (lambda logits: cross_entropy(logits, labels), (torch.randn(2, 3, requires_grad=True),))
