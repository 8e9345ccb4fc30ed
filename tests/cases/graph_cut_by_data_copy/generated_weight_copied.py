# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""A hypernetwork's output is copied into the data of the layer that it should steer."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

class Generated(nn.Module):
    def __init__(self):
        super().__init__()
        self.generator, self.target = nn.Linear(2, 6), nn.Linear(3, 2, bias=False)

    def forward(self, code, x):
        self.target.weight.data.copy_(self.generator(code).view(2, 3))  #~ error[GS304]: its gradient ends there
        return self.target(x).pow(2).sum()


model, x = Generated(), torch.randn(4, 3)
code = torch.randn(2, requires_grad=True)
model(code, x).backward()  #~ label: does not reach beyond it
CHECKED = (lambda code: model(code, x), (code,))
