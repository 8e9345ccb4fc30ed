# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""A buffer is filled again for each window while `save_on_cpu` keeps the buffer itself."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

SERIES = torch.randn(6)


def windows(weight):
    window, loss = torch.zeros(3), 0
    for start in range(3):
        window.copy_(SERIES[start : start + 3])  #~ error[GS402]: `window` was overwritten after
        with torch.autograd.graph.save_on_cpu():
            loss = loss + (weight * window).sum()
    return loss


weight = torch.randn(3, requires_grad=True)
windows(weight).backward()
CHECKED = (windows, (weight,))
