# framework: torch
# outcome: correct
"""Outputs of a loop are collected in a list and stacked."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(2, 3)

    def forward(self, sequence):
        hidden = sequence.new_zeros(sequence.shape[1], 3)
        outputs = []
        for step in sequence:
            hidden = self.cell(step, hidden)
            outputs.append(hidden)
        return torch.stack(outputs)


model = Recurrent()
model(torch.randn(4, 2, 2)).sum().backward()
CHECKED = (lambda sequence: model(sequence).sum(), (torch.randn(3, 1, 2, requires_grad=True),))
