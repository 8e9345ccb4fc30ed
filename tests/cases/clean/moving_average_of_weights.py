# framework: torch
# outcome: correct
"""A teacher follows the student's weights in place, after the step and under `no_grad`."""

import copy

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Teacher:
    def __init__(self, student, decay):
        self.model, self.decay = copy.deepcopy(student).requires_grad_(False), decay

    @torch.no_grad()
    def follow(self, student):
        for mine, theirs in zip(self.model.parameters(), student.parameters()):
            mine.mul_(self.decay).add_(theirs, alpha=1 - self.decay)


student = nn.Linear(3, 2)
teacher = Teacher(student, 0.9)
optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
for batch in torch.randn(3, 4, 3):
    loss = (student(batch) - teacher.model(batch)).abs().sum() + student(batch).pow(2).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    teacher.follow(student)
CHECKED = (lambda x: (student(x) - teacher.model(x)).sum(), (torch.randn(2, 3, requires_grad=True),))
