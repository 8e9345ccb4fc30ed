# framework: torch
# outcome: raises
"""The outputs of two branches are joined in memory that is kept for them."""

import torch
from torch import nn

left, right = nn.Linear(2, 3), nn.Linear(2, 3)
joined = torch.empty(4, 6)
x = torch.ones(4, 2)
with torch.no_grad():
    torch.cat([left(x), right(x)], dim=1, out=joined)  # evaluation: allowed
torch.cat([left(x), right(x)], dim=1, out=joined)  #~ error[GS212]: the result of `torch.cat` was refused
joined.sum().backward()
