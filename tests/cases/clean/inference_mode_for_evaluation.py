# framework: torch
# outcome: correct
"""Everything of the evaluation stays inside `inference_mode`, in-place writes too."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 3), nn.Sigmoid(), nn.Linear(3, 1))


@torch.inference_mode()
def evaluate(batch):
    scores = model(batch)
    scores.sigmoid_().clamp_(0.1, 0.9)
    return float(scores.mean())


for batch in torch.randn(2, 4, 3):
    model(batch).sum().backward()
    evaluate(batch)
CHECKED = (lambda x: model(x).sum(), (torch.randn(2, 3, requires_grad=True),))
