# framework: torch
# outcome: raises
#~ missed-by: static (sparse tensors)
import torch

torch.manual_seed(0)
index = torch.tensor([[0, 1, 2, 2], [1, 2, 0, 1]])
adjacency = torch.sparse_coo_tensor(index, torch.rand(4), (3, 3)).coalesce()
h = torch.randn(3, 2, requires_grad=True)
y = torch.sparse.mm(adjacency, h)  #~ label: `sparse.mm` saved its `mat1`
adjacency.mul_(0.5)  #~ error[GS101]: `adjacency` was modified in place after `sparse.mm` saved it
torch.sparse.mm(adjacency, y).sum().backward()
