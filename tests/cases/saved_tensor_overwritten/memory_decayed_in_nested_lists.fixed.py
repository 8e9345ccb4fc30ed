# framework: torch
# outcome: raises
"""A memory keeps [state, age] pairs; between two steps the state in each pair decays in place."""

import torch
from torch import nn


class Memory:
    def __init__(self, n):
        self.slots = [[torch.zeros(2, 3), 0] for _ in range(n)]

    def decay(self):
        for n in range(len(self.slots)):
            self.slots[n][0] = self.slots[n][0] * 0.9
            self.slots[n][1] += 1


torch.manual_seed(0)
cells, memory = nn.ModuleList(nn.GRUCell(3, 3) for _ in range(2)), Memory(2)
total = 0.0
for x in torch.randn(3, 2, 3):
    for n, cell in enumerate(cells):
        x = memory.slots[n][0] = cell(x, memory.slots[n][0])
    total = total + x.sum()
    memory.decay()
total.backward()
