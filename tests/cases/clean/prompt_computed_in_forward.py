# framework: torch
# outcome: correct
"""A projected prompt is computed each time the model runs."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Prompted(nn.Module):
    def forward(self, seed, x):
        prompt = seed.tanh() * 2
        return torch.cat([prompt, x]).pow(2).sum()


x = torch.randn(4, 3)
seed = torch.randn(2, 3, requires_grad=True)
Prompted()(seed, x).backward()
CHECKED = (lambda seed: Prompted()(seed, x), (seed,))
