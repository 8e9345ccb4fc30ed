# framework: torch
# outcome: correct
"""The largest outputs are kept in a buffer with out=, as a scale; the layer learns by the outputs themselves."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

inputs = torch.randn(5, 4)


class Rescaled(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(weight) if not weight.requires_grad else weight
        self.register_buffer("scale", torch.ones(5))

    def forward(self, x):
        outputs = x @ self.weight.T
        with torch.no_grad():
            torch.amax(outputs.abs(), 1, out=self.scale)
        return (outputs / 3 + inputs.sum(1)[:, None] * self.scale.sign()[:, None]).pow(2).mean()


def loss_of(weight):
    return Rescaled(weight)(inputs)


model = Rescaled(torch.randn(3, 4))
model(inputs).backward()
CHECKED = (loss_of, (torch.randn(3, 4, requires_grad=True),))
