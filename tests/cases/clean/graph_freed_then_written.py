# framework: torch
# outcome: correct
"""The activation is reused as scratch memory once backward has run."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
layer = nn.Linear(3, 3)
for batch in torch.randn(3, 2, 3):
    activation = torch.sigmoid(layer(batch))
    activation.sum().backward()
    with torch.no_grad():
        activation.zero_()
CHECKED = (lambda x: torch.sigmoid(layer(x)).sum(), (torch.randn(2, 3, requires_grad=True),))
