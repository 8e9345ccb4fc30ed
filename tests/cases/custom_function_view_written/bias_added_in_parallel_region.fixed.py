# framework: torch
# outcome: raises
"""A positional bias is added in place to what a communication region returned."""

import torch
from parts_parallel import copy_to_region
from torch import nn

torch.manual_seed(0)
embed = nn.Linear(3, 4)
positions = torch.arange(4.0)
tokens = copy_to_region(embed(torch.randn(2, 3)))
tokens = tokens + positions
tokens.tanh().sum().backward()
