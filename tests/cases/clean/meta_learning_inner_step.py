# framework: torch
# outcome: correct
"""The inner step makes new weights; the outer loss flows through them."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
data, target = torch.randn(4, 2), torch.randn(4)


def outer_loss(weight):
    inner = (data @ weight - target).pow(2).mean()
    (gradient,) = torch.autograd.grad(inner, weight, create_graph=True)
    adapted = weight - 0.1 * gradient
    return (data @ adapted - target).pow(2).mean()


weight = torch.randn(2, requires_grad=True)
optimizer = torch.optim.SGD([weight], lr=0.1)
for _ in range(2):
    optimizer.zero_grad()
    outer_loss(weight).backward()
    optimizer.step()
CHECKED = (outer_loss, (torch.randn(2, requires_grad=True),))
