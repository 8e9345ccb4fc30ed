# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""Running variances are rescaled through `.data` between a loss and its backward."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(2)

    def forward(self, x):
        return self.norm(x).tanh().sum()


def adapted(x):
    net = Net().eval()
    loss = net(x)
    net.norm.running_var.data.mul_(9)  #~ error[GS306]: were updated by the program
    return loss


x = torch.randn(2, 2, 3, 3, requires_grad=True)
adapted(x).backward()
CHECKED = (adapted, (x,))
