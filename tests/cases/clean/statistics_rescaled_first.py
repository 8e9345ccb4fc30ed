# framework: torch
# outcome: correct
"""Running variances are rescaled through `.data` before the loss is computed."""

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
    net.norm.running_var.data.mul_(9)
    return net(x)


x = torch.randn(2, 2, 3, 3, requires_grad=True)
adapted(x).backward()
CHECKED = (adapted, (x,))
