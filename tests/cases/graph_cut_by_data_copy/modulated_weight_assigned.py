# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""A style scales a layer's weight by assignment to `.data`."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

class Modulated(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.base = self.layer.weight.detach().clone()

    def forward(self, style, x):
        self.layer.weight.data = self.base * style  #~ error[GS304]: its gradient ends there
        return self.layer(x).sum()


model, x = Modulated(), torch.randn(4, 3)
style = torch.randn(3, requires_grad=True)
model(style, x).backward()
CHECKED = (lambda style: model(style, x), (style,))
