# framework: torch
# outcome: correct
"""`out=` of tensors without gradient, and under `no_grad`."""

import torch

scratch = torch.empty(3, dtype=torch.float64)


def scaled(x):
    factor = torch.mul(torch.ones(3, dtype=torch.float64), 2, out=torch.empty(3, dtype=torch.float64))
    with torch.no_grad():
        torch.add(x, 1, out=scratch)
    return (x * factor).exp().sum() + 0 * scratch.sum()


CHECKED = (scaled, (torch.tensor([0.3, 0.5, -0.2], dtype=torch.float64, requires_grad=True),))
