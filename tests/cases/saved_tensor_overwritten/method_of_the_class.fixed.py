# framework: torch
# outcome: raises
import torch


def halved(t: torch.Tensor) -> torch.Tensor:
    return torch.Tensor.mul(t, 0.5)


x = torch.ones(3, requires_grad=True)
h = torch.sigmoid(x)
for step in (halved, torch.Tensor.relu):
    h = step(h)
h.sum().backward()
