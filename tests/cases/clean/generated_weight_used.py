# framework: torch
# outcome: correct
"""A hypernetwork's output is used by the functional form of the layer."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Generated(nn.Module):
    def __init__(self):
        super().__init__()
        self.generator, self.target = nn.Linear(2, 6), nn.Linear(3, 2, bias=False)

    def forward(self, code, x):
        weight = {"weight": self.generator(code).view(2, 3)}
        return torch.func.functional_call(self.target, weight, (x,)).pow(2).sum()


model, x = Generated(), torch.randn(4, 3)
code = torch.randn(2, requires_grad=True)
model(code, x).backward()
CHECKED = (lambda code: model(code, x), (code,))
