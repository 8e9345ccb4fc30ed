# framework: torch
# outcome: correct
"""`no_grad` makes normal tensors: they may be saved and written."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
encoder, head = nn.Linear(4, 3).eval(), nn.Linear(3, 1)
with torch.no_grad():
    features = encoder(torch.randn(2, 4)).relu_()
    features /= features.norm(dim=1, keepdim=True) + 1
head(features).sum().backward()
CHECKED = (lambda f: head(f).sum(), (features.clone().requires_grad_(),))
