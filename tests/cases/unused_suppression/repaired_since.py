# framework: torch
# outcome: raises
#~ missed-by: recorded (a comment is no event)
"""One write was repaired and its comment stayed; the other write has none."""

import torch

x = torch.rand(3, requires_grad=True)
y = x.sigmoid()
y = y + 1  # gradsan: allow[saved-tensor-overwritten] written in place once  #~ warning[GS901]: suppresses nothing
z = y.exp()
z += 1  #~ error[GS101]: after `exp` saved it
z.sum().backward()
