# framework: torch
# outcome: correct
"""A copy of a probability is masked through `.data`."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def masked(scores):
    probability = scores.softmax(-1)
    shown = probability.detach().clone()
    shown.data[:, 0] = 0
    return probability[:, :2].pow(2).sum()


scores = torch.randn(2, 4, requires_grad=True)
masked(scores).backward()
CHECKED = (masked, (scores,))
