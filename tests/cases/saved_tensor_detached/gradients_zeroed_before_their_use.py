# framework: torch
# outcome: raises
#~ missed-by: static (it mutates no value)
import torch

torch.manual_seed(0)
model, rate = torch.nn.Linear(3, 1), torch.nn.Parameter(torch.tensor(0.1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(5, 3)
model(x).square().mean().backward(create_graph=True)
moved = model.weight - rate * model.weight.grad  #~ label: `mul` saved its `other`
optimizer.zero_grad(set_to_none=False)  #~ error[GS108]: was cut from its graph in place after `mul` saved it
(x @ moved.t()).square().mean().backward()
