# framework: torch
# outcome: correct
"""A table of costs is filled cell by cell; the helper that compares two cells is given copies of them."""

import torch

torch.set_default_dtype(torch.float64)


def cheapest(left, upper):
    low = torch.min(left, upper)
    return low - ((low - left).exp() + (low - upper).exp()).log()


def path_cost(distance):
    n = len(distance)
    table = torch.full((n, n), 9.0)
    table[0, 0] = 0.0
    for i in range(1, n):
        for j in range(1, n):
            table[i, j] = distance[i, j] + cheapest(table[i, j - 1].clone(), table[i - 1, j].clone()) * 0.5
    return table[-1, -1].clone()


distance = torch.arange(9.0).reshape(3, 3).requires_grad_()
path_cost(distance).backward()
CHECKED = (path_cost, (distance,))
