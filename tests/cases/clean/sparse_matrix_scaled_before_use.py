# framework: torch
# outcome: correct
"""The tensor that a sparse matrix is made of is scaled before the matrix is used, and after its backward."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

edges = torch.tensor([[0, 0, 1, 2], [1, 2, 2, 0]])
weights = torch.tensor([1.0, 2.0, 0.5, 3.0])
matrix = torch.sparse_coo_tensor(edges, weights, (3, 3), is_coalesced=True, check_invariants=True)
weights.div_(2)


def loss_of(x):
    return torch.sparse.mm(matrix, x).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
weights.mul_(1.0)
