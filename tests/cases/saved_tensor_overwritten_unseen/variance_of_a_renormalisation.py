# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (a kernel's statistics)
"""A layer divides by the running variance, which batch norm then updates behind the version counter."""

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def renormalised(x):
    mean, variance = torch.zeros(3), torch.ones(3)
    ratio = x / variance  #~ label: saved its `other`
    normed = F.batch_norm(x, mean, variance, training=True, momentum=0.5)  #~ error[GS301]: was overwritten after `div`
    return (normed * ratio).sum()


x = torch.randn(4, 3, requires_grad=True)
renormalised(x).backward()
CHECKED = (renormalised, (x,))
