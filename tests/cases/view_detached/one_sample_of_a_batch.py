# framework: torch
# outcome: raises
#~ missed-by: static (views that are detached)
#~ missed-by: fix (an item that is detached)
"""The memory of one sample is cut where an episode has ended."""

import torch
from torch import nn

cell = nn.GRUCell(3, 4)
memory = torch.zeros(2, 4)
loss = 0.0
for step, done in enumerate((False, True)):
    memory = cell(torch.ones(2, 3), memory)
    if done:
        memory[1].detach_()  #~ error[GS211]: `detach_` was refused on `memory[1]`
    loss = loss + memory.sum()
loss.backward()
