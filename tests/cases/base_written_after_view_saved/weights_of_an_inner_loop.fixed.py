# framework: torch
# outcome: raises
import torch

torch.manual_seed(0)
first, last = torch.randn(4, 3, requires_grad=True), torch.randn(2, 4, requires_grad=True)
fast = {"first": first.clone(), "last": last.clone()}
for _ in range(2):
    h = torch.tanh(torch.randn(5, 3) @ fast["first"].t())
    y = torch.nn.functional.linear(h, fast["last"].clone())
    gradients = torch.autograd.grad(y.square().sum(), fast.values(), create_graph=True)
    for name, gradient in zip(fast, gradients, strict=True):
        fast[name] -= gradient
(torch.randn(5, 3) @ fast["first"].t()).square().mean().backward()
