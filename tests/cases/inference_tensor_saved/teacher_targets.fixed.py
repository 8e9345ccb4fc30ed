# framework: torch
# outcome: raises
"""Distillation: the teacher's probabilities come out of `inference_mode` and multiply the student's logits."""

import torch
from torch import nn


def distillation_loss(student_logits, teacher_probabilities):
    log_probabilities = torch.log_softmax(student_logits, dim=1)
    return -(teacher_probabilities.clone() * log_probabilities).sum()


torch.manual_seed(0)
student, teacher = nn.Linear(4, 3), nn.Linear(4, 3)
batch = torch.randn(2, 4)
with torch.inference_mode():
    targets = torch.softmax(teacher(batch), dim=1)
distillation_loss(student(batch), targets).backward()
