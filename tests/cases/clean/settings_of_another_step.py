# framework: torch
# outcome: correct
"""A region reads settings and a dict that are replaced after backward; what it does not read is replaced before."""

import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Settings:
    temperature, step = 2.0, 0


settings, state = Settings(), {"mask": torch.ones(3, 1)}


def soft(x):
    return torch.softmax(x / settings.temperature, -1) * state["mask"]


def loss_of(x):
    loss = checkpoint(soft, x, use_reentrant=False).pow(2).sum()
    settings.step += 1
    state["seen"] = loss.detach()
    return loss


x = torch.randn(3, 4, requires_grad=True)
for step in (2.0, 1.0):
    settings.temperature, state["mask"] = step, torch.full((3, 1), step)
    loss_of(x).backward()
CHECKED = (loss_of, (x,))
