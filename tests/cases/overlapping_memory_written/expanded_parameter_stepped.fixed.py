# framework: torch
# outcome: raises
import torch


class Scale(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(1, 3).expand(4, 3).clone())

    def forward(self, x):
        return x * self.gain


torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(2, 3), Scale())
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
net(torch.randn(4, 2)).square().mean().backward()
optimizer.step()
