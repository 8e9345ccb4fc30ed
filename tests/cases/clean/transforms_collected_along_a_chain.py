# framework: torch
# outcome: correct
"""Joint transforms are collected in a list, and the table is filled once nothing reads it."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

parents = [0, 0, 1]
local = torch.randn(4, 3, 3)


def chain(x):
    placed = [local[0] * x.sum()]
    for joint, parent in enumerate(parents, 1):
        placed.append(placed[parent] @ (local[joint] + x))
    table = torch.zeros(4, 3, 3)
    for joint, each in enumerate(placed):
        table[joint] = each
    return table.sum()


x = torch.randn(3, 3).requires_grad_()
chain(x).backward()
CHECKED = (chain, (x,))
