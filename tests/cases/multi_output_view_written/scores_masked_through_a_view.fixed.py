# framework: torch
# outcome: raises
import torch

torch.manual_seed(0)
net = torch.nn.Linear(3, 2)
scores, _ = net(torch.randn(6, 3)).unbind(-1)
table = scores.view(2, 3)
table = table.masked_fill(table < 0, -1.0)
table.sum().backward()
