# framework: torch
# outcome: correct
import torch


def total(x):
    z = x * 3.0
    value, gate = (part.clone() for part in z.split(2))
    h = torch.sigmoid(gate) * value
    z += 0.1
    return h.sum() + z.sum()


CHECKED = (total, (torch.randn(4, dtype=torch.float64, requires_grad=True),))
