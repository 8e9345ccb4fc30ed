# framework: torch
# outcome: correct
"""Each window is a tensor of its own under `save_on_cpu`."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

SERIES = torch.randn(6)


def windows(weight):
    loss = 0
    for start in range(3):
        window = SERIES[start : start + 3].clone()
        with torch.autograd.graph.save_on_cpu():
            loss = loss + (weight * window).sum()
    return loss


weight = torch.randn(3, requires_grad=True)
windows(weight).backward()
CHECKED = (windows, (weight,))
