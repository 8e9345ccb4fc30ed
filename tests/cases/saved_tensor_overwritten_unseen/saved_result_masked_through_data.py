# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""A probability that `softmax` saved is masked through `.data`."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

def masked(scores):
    probability = scores.softmax(-1)  #~ label: saved its result
    probability.data[:, 0] = 0  #~ error[GS301]: `probability` was overwritten after
    return probability[:, :2].pow(2).sum()


scores = torch.randn(2, 4, requires_grad=True)
masked(scores).backward()
CHECKED = (masked, (scores,))
