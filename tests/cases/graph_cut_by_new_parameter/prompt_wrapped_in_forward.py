# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""A projected prompt becomes a parameter each time the model runs."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

class Prompted(nn.Module):
    def forward(self, seed, x):
        prompt = nn.Parameter(seed.tanh() * 2)  #~ error[GS305]: wrapped as a new parameter
        return torch.cat([prompt, x]).pow(2).sum()


x = torch.randn(4, 3)
seed = torch.randn(2, 3, requires_grad=True)
Prompted()(seed, x).backward()
CHECKED = (lambda seed: Prompted()(seed, x), (seed,))
