# framework: torch
# outcome: raises
"""The average of two models is written into the parameters of a third."""

import torch
from torch import nn

student, other, teacher = nn.Linear(2, 1), nn.Linear(2, 1), nn.Linear(2, 1)
with torch.no_grad():
    torch.add(student.bias, other.bias, out=teacher.bias)  # not recorded: allowed
with torch.no_grad():
    for mine, theirs, target in zip(student.parameters(), other.parameters(), teacher.parameters()):
        torch.lerp(mine.detach(), theirs.detach(), 0.5, out=target)
