# framework: torch
# outcome: raises
"""The running mean is created by the first forward, which happens to be the evaluation."""

import torch
from torch import nn


class RunningMean(nn.Module):
    def __init__(self):
        super().__init__()
        self.mean = None

    def forward(self, x):
        batch_mean = x.mean(dim=0).detach()
        if self.mean is None:
            self.mean = batch_mean
        else:
            self.mean = self.mean.clone()
            self.mean.mul_(0.9).add_(batch_mean, alpha=0.1)
        return x - self.mean


torch.manual_seed(0)
centre = RunningMean()
with torch.inference_mode():
    centre(torch.randn(4, 3))
centre(torch.randn(4, 3))
