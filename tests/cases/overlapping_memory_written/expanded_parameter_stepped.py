# framework: torch
# outcome: raises
#~ missed-by: static (a parameter made of an expanded tensor is not followed into the optimizer)
import torch


class Scale(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(1, 3).expand(4, 3))

    def forward(self, x):
        return x * self.gain


torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(2, 3), Scale())
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
net(torch.randn(4, 2)).square().mean().backward()
optimizer.step()  #~ error[GS209]: refused on `net.1.gain`, whose elements share memory
