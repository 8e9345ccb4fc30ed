# framework: torch
# outcome: raises
import torch

torch.manual_seed(0)
index = torch.tensor([[0, 1, 2, 2], [1, 2, 0, 1]])
adjacency = torch.sparse_coo_tensor(index, torch.rand(4), (3, 3)).coalesce()
h = torch.randn(3, 2, requires_grad=True)
y = torch.sparse.mm(adjacency, h)
adjacency = adjacency.mul(0.5)
torch.sparse.mm(adjacency, y).sum().backward()
