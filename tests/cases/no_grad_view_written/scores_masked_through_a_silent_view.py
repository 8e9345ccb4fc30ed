# framework: torch
# outcome: raises
#~ missed-by: fix (the view would have to be made elsewhere)
"""The view is made in a `no_grad` block that was meant for the mask; the write follows outside."""

import torch
from torch import nn

torch.manual_seed(0)
scores = nn.Linear(4, 6)(torch.randn(3, 4))
with torch.no_grad():
    mask = scores > 0
    flat, flat_mask = scores.view(-1), mask.view(-1)
flat[flat_mask] *= 0.5  #~ error[GS204]: a view made under `no_grad`
scores.sum().backward()
