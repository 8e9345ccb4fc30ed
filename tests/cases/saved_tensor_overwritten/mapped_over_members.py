# framework: torch
# outcome: raises
import torch
from torch.func import vmap


def member(weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    h = torch.exp(x @ weight)  #~ label: `exp` saved its result
    h /= h.sum(-1, keepdim=True)  #~ error[GS101]: `h` was modified in place after `exp` saved it
    return h


torch.manual_seed(0)
weights = torch.randn(3, 4, 2, requires_grad=True)
out = vmap(member, in_dims=(0, None))(weights, torch.randn(5, 4))
out.square().sum().backward()
