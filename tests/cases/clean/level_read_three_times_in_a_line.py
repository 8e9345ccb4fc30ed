# framework: torch
# outcome: correct
"""A level is read three times in one line by operations that keep no input, and fades afterwards."""

import torch

GAIN = torch.tensor([0.2, -0.4, 0.7], dtype=torch.float64, requires_grad=True)


class Trace:
    def __init__(self):
        self.level = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)

    def penalty(self, gain):
        return (gain + self.level).sum() + (self.level - gain).square().sum() + (gain * self.level.clone()).sum()

    def fade(self):
        self.level.mul_(0.5)


def loss_of(gain):
    trace = Trace()
    loss = trace.penalty(gain)
    trace.fade()
    return loss


CHECKED = (loss_of, (GAIN,))
