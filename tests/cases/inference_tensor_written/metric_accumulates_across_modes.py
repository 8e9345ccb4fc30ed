# framework: torch
# outcome: raises
"""A metric's total starts as a value computed during validation."""

import torch


class MeanLoss:
    def __init__(self):
        self.total, self.count = None, 0

    def update(self, loss):
        self.total = loss.detach() if self.total is None else self.total.add_(loss.detach())  #~ error[GS207]: `add_`
        self.count += 1


meter = MeanLoss()
weight = torch.ones(2, requires_grad=True)
with torch.inference_mode():
    meter.update((weight * 2).sum())
meter.update((weight * 3).sum())
