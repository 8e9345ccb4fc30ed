# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""Each level's features are scaled into a bank with out=, and the mix that is trained reads them there."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

inputs = torch.randn(5, 4)


class Pyramid(nn.Module):
    def __init__(self, gates):
        super().__init__()
        self.gates = nn.Parameter(gates) if not gates.requires_grad else gates
        self.mix = nn.Parameter(torch.ones(2))

    def forward(self, x):
        bank = x.new_empty(2, *x.shape)
        for level in range(2):
            features = torch.tanh(x * self.gates[level])
            with torch.no_grad():
                torch.mul(features, 0.5**level, out=bank[level])  #~ warning[GS304]: its gradient ends there
        return (torch.softmax(self.mix, 0)[:, None, None] * bank).sum(0).pow(2).mean()


def loss_of(gates):
    return Pyramid(gates)(inputs) + 0.0 * gates.sum()


model = Pyramid(torch.randn(2, 4))
model(inputs).backward()
CHECKED = (loss_of, (torch.randn(2, 4, requires_grad=True),))
