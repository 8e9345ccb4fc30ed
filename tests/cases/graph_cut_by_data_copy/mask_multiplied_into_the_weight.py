# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""A learned mask is multiplied into a weight under `no_grad`; the mask is computed before."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.dense = self.layer.weight.detach().clone()

    def forward(self, logits, x):
        sparse = self.dense * logits.sigmoid()
        with torch.no_grad():
            self.layer.weight.copy_(sparse)  #~ error[GS304]: its gradient ends there
        return self.layer(x).sum()


model, x = Masked(), torch.randn(4, 3)
logits = torch.randn(2, 3, requires_grad=True)
model(logits, x).backward()
CHECKED = (lambda logits: model(logits, x), (logits,))
