# framework: torch
# outcome: raises
#~ missed-by: static (a method taken from its class)
import torch


def halved(t: torch.Tensor) -> torch.Tensor:
    return torch.Tensor.mul_(t, 0.5)  #~ error[GS101]: `t` was modified in place after `sigmoid` saved it


x = torch.ones(3, requires_grad=True)
h = torch.sigmoid(x)  #~ label: `sigmoid` saved its result
for step in (halved, torch.Tensor.relu):
    h = step(h)
h.sum().backward()
