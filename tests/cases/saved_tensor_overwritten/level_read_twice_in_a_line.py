# framework: torch
# outcome: raises
"""Two operations of one line save a level that fades afterwards and is kept: each of them gets a copy."""

import torch

GAIN = torch.tensor([0.2, -0.4, 0.7], dtype=torch.float64, requires_grad=True)


class Trace:
    def __init__(self):
        self.level = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)

    def penalty(self, gain):
        return torch.atan2(self.level, gain).sum() + (gain * self.level).sum()  #~ label: saved its `other` here

    def fade(self):
        self.level.mul_(0.5)  #~ error[GS101]: modified in place


trace = Trace()
loss = trace.penalty(GAIN)
trace.fade()
loss.backward()
