# framework: torch
# outcome: raises
import torch

torch.manual_seed(0)
net = torch.nn.Linear(3, 2)
scores, _ = net(torch.randn(6, 3)).unbind(-1)  #~ label: `unbind` returned several views
table = scores.view(2, 3)
table[table < 0] = -1.0  #~ error[GS203]: one of several views that `unbind` returned
table.sum().backward()
