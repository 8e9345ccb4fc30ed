# framework: torch
# outcome: correct
"""The usual step, with gradient clipping and a scheduler."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
for inputs, targets in [(torch.randn(4, 3), torch.randn(4, 1)) for _ in range(3)]:
    optimizer.zero_grad(set_to_none=False)
    nn.functional.mse_loss(model(inputs), targets).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    scheduler.step()
CHECKED = (lambda x: model(x).sum(), (torch.randn(2, 3, requires_grad=True),))
