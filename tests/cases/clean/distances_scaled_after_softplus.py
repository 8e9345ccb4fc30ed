# framework: torch
# outcome: correct
"""The result of softplus is scaled in place: it saved its input."""

import torch
import torch.nn.functional as F


torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def distances(x):
    distance = F.softplus(x)
    distance *= 8.0
    distance += 1.0
    return distance.sum()


x = torch.randn(2, 4).requires_grad_()
distances(x).backward()
CHECKED = (distances, (x,))
