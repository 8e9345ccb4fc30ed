# framework: torch
# outcome: raises
"""A gradient that a penalty still needs is cut from its graph and zeroed, as old optimizers did it."""

import torch

torch.manual_seed(0)
weight = torch.randn(4, requires_grad=True)
x = torch.randn(3, 4)
(x @ weight).tanh().square().sum().backward(create_graph=True)
penalty = weight.grad.square().sum()
weight.grad = weight.grad.detach()
weight.grad = torch.zeros_like(weight.grad)
(penalty + (x @ weight).sum()).backward()
