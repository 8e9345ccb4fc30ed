# framework: torch
# outcome: correct
"""A style scales a layer's input, which is as good as scaling its weight."""

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
        return self.layer(x * style).sum()


model, x = Modulated(), torch.randn(4, 3)
style = torch.randn(3, requires_grad=True)
model(style, x).backward()
CHECKED = (lambda style: model(style, x), (style,))
