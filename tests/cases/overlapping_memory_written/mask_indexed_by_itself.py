# framework: torch
# outcome: raises
"""A line search narrows the mask of what is still searched, by assigning to the items that the mask itself selects."""

import torch

torch.manual_seed(0)
weight = torch.randn(4, requires_grad=True)
searching, steps = torch.ones(4, dtype=torch.bool), torch.ones(4)
for _ in range(3):
    with torch.no_grad():
        moved = (weight - steps * weight).abs()
    searching[searching] = moved[searching] > 0.4  #~ error[GS209]: which overlaps what the write reads
    steps[searching] *= 0.5
(steps * weight.square()).sum().backward()
