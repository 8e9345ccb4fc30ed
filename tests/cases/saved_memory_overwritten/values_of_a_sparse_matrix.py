# framework: torch
# outcome: wrong-gradient
"""The tensor that a sparse matrix was made of is scaled after the matrix was used."""
#~ missed-by: static (only content tells)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

edges = torch.tensor([[0, 0, 1, 2], [1, 2, 2, 0]])


def loss_of(x):
    weights = torch.tensor([1.0, 2.0, 0.5, 3.0])
    matrix = torch.sparse_coo_tensor(edges, weights, (3, 3), is_coalesced=True, check_invariants=True)
    y = torch.sparse.mm(matrix, x)
    weights.div_(2)  #~ error[GS350]: was overwritten
    return y.sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
