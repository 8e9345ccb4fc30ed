# framework: torch
# outcome: raises
import torch

torch.manual_seed(0)
project = torch.nn.Linear(3, 4)
z = project(torch.randn(2, 3))
value, gate = z.tensor_split(z.shape[-1] // 2, dim=-1)
z += 0.1
h = value * torch.sigmoid(gate)
h.sum().backward()
