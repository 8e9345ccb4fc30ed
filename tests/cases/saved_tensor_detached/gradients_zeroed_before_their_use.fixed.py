# framework: torch
# outcome: raises
import torch

torch.manual_seed(0)
model, rate = torch.nn.Linear(3, 1), torch.nn.Parameter(torch.tensor(0.1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(5, 3)
model(x).square().mean().backward(create_graph=True)
moved = model.weight - rate * model.weight.grad
optimizer.zero_grad(set_to_none=True)
(x @ moved.t()).square().mean().backward()
