# framework: torch
# outcome: raises
import torch

torch.manual_seed(0)
weight = torch.randn(3, 3, requires_grad=True)
joint = torch.softmax(weight.flatten(), dim=0).view(3, 3)
rows = joint.sum(dim=1).view(3, 1).expand(3, 3).clone()
joint = joint.masked_fill(joint < 0.05, 0.05)  # nothing of it is shared
rows[rows < 0.3] = 0.3
(joint * rows.log()).sum().backward()
