# framework: torch
# outcome: raises
#~ missed-by: static (operations of the dispatcher)
import torch

x = torch.ones(3, requires_grad=True)
h = torch.softmax(x, dim=0)  #~ label: `softmax` saved its result
torch.ops.aten.add_.Tensor(h, torch.ones(3))  #~ error[GS101]: the result of `softmax` was modified in place
(h * 2.0).square().sum().backward()
