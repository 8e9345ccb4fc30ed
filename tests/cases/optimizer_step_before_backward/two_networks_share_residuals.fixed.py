# framework: torch
# outcome: raises
"""Two networks solve coupled equations; the first one's optimizer steps before the second loss goes back through both."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(1, 4), nn.Linear(4, 1)])

    def forward(self, t):
        copies = {name: each.clone() for name, each in self.layers[-1].named_parameters()}
        return torch.func.functional_call(self.layers[-1], copies, (torch.tanh(self.layers[0](t)),))


torch.manual_seed(0)
first, second = Net(), Net()
optimizers = [torch.optim.SGD(net.parameters(), lr=0.1) for net in (first, second)]
t = torch.rand(5, 1)
u, v = first(t), second(t)
losses = [(u - v.square()).square().mean(), (v + u.square()).square().mean()]
losses[0].backward(retain_graph=True)
optimizers[0].step()
optimizers[1].zero_grad()
losses[1].backward()
optimizers[1].step()
