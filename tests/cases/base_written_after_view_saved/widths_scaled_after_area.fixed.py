# framework: torch
# outcome: raises
"""Boxes are scaled as a whole after the areas were computed from two of their columns."""

import torch
from torch import nn


def decode(boxes, stride):
    width, height = boxes[:, 2], boxes[:, 3]
    area = width * height
    boxes = boxes.mul(stride)
    return boxes, area


torch.manual_seed(0)
head = nn.Linear(6, 4)
boxes, area = decode(head(torch.randn(5, 6)), stride=8)
(boxes.sum() + area.sum()).backward()
