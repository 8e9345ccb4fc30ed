# framework: torch
# outcome: raises
"""Marginals are expanded to the joint's shape and floored by a mask: the same memory is written several times."""

import torch
from torch import nn


def mutual_information(joint):
    rows = joint.sum(dim=1, keepdim=True).expand_as(joint).clone()
    rows[rows < 0.2] = 0.2
    return (joint * (joint.log() - rows.log())).sum()


torch.manual_seed(0)
joint = torch.softmax(nn.Linear(3, 9)(torch.randn(1, 3)), dim=1).view(3, 3)
mutual_information(joint).backward()
