# framework: torch
# outcome: correct
"""All rows of an expanded tensor are written alike, or a copy of it is."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    mask = torch.ones(1, 4).expand(3, 4)
    mask[torch.arange(3), 0] = 0
    mask[torch.tensor([[False, True, False, False]] * 3)] = 0.5
    own = mask.clone()
    own[1, 2:] = 0
    return (x * mask * own).pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
