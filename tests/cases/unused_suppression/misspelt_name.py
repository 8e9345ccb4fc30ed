# framework: torch
# outcome: raises
#~ missed-by: recorded (a comment is no event)
"""A name that is no rule's allows nothing: the finding stays, and the comment is told as well."""

import torch

x = torch.rand(3, requires_grad=True)
y = x.tanh()
y.mul_(2)  # gradsan: allow[saved-tensor-overwriten] a letter is missing  #~ error[GS101]: after `tanh` saved it  #~ warning[GS901]: suppresses nothing
y.sum().backward()
