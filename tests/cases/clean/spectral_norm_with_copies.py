# framework: torch
# outcome: correct
"""Power iteration in place, its vectors copied before the graph reads them."""

import torch
import torch.nn.functional as F
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class SpectralLinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, 3))
        self.register_buffer("left", F.normalize(torch.randn(2), dim=0))

    def forward(self, x):
        if self.training:
            with torch.no_grad():
                right = F.normalize(self.weight.t() @ self.left, dim=0)
                self.left.copy_(F.normalize(self.weight @ right, dim=0))
        left = self.left.clone()
        right = F.normalize(self.weight.t().detach() @ left, dim=0)
        return F.linear(x, self.weight / (left @ self.weight @ right))


model = SpectralLinear()
(model(torch.randn(2, 3)).mean() - model(torch.randn(2, 3)).mean()).backward()
model.eval()
CHECKED = (lambda x: model(x).sum(), (torch.randn(2, 3, requires_grad=True),))
