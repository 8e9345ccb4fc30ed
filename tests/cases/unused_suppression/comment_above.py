# framework: torch
# outcome: raises
#~ missed-by: recorded (a comment is no event)
"""A comment of its own speaks about the next line of code only."""

import torch

x = torch.rand(3, requires_grad=True)
# gradsan: allow[GS101] meant for the write two lines below  #~ warning[GS901]: suppresses nothing
y = x.exp()
y.clamp_(max=2)  #~ error[GS101]: after `exp` saved it
y.sum().backward()
