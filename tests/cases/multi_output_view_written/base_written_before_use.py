# framework: torch
# outcome: raises
import torch

torch.manual_seed(0)
project = torch.nn.Linear(3, 4)
z = project(torch.randn(2, 3))
value, gate = z.split(2, dim=-1)
z += 0.1  #~ error[GS203]: the base of `gate`, one of several views  #~ missed-by: static (a stale view)
h = value * torch.sigmoid(gate)  #~ label: raised here
h.sum().backward()
