# framework: torch
# outcome: raises
import torch
from torch.func import vmap


def member(weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    h = torch.exp(x @ weight)
    h = h / h.sum(-1, keepdim=True)
    return h


torch.manual_seed(0)
weights = torch.randn(3, 4, 2, requires_grad=True)
out = vmap(member, in_dims=(0, None))(weights, torch.randn(5, 4))
out.square().sum().backward()
