# framework: torch
# outcome: correct
"""Slices of the predictions are decoded in a copy after another loss has used them."""

import torch
import torch.nn.functional as F


torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

anchors = torch.tensor([1.5, 2.0])


def losses(x):
    classes = F.binary_cross_entropy_with_logits(x[:, 4:], torch.ones(2, 2))
    marks = x[:, :4].clone()
    marks[:, 0:2] = marks[:, 0:2] * anchors
    marks[:, 2:4] = marks[:, 2:4] * anchors
    return classes + marks.square().sum()


x = torch.randn(2, 6).requires_grad_()
losses(x).backward()
CHECKED = (losses, (x,))
