# framework: torch
# outcome: correct
"""Statistics, a copy for a log and a carried state go into constants through `.data`; what computed them learns."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Normed(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.head = nn.Linear(4, 4), nn.Linear(4, 1)
        self.register_buffer("scale", torch.ones(4))
        self.register_buffer("state", torch.zeros(4))
        self.register_buffer("seen", torch.zeros(3, 4))

    def forward(self, x):
        h = self.layer(x)
        if self.training:
            self.scale.data.mul_(0.9).add_(0.1 * h.std(0))
            self.seen.data.copy_(h)
        out = self.head(torch.tanh(h / self.scale.clone()) * self.state.clone()) + self.head(h)
        if self.training:
            self.state.data.copy_(h.mean(0))
        return out


model = Normed()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    optimizer.zero_grad()
    model(torch.randn(3, 4)).pow(2).sum().backward()
    optimizer.step()
model.eval()


def loss_of(x):
    return model(x).pow(2).sum()


CHECKED = (loss_of, (torch.randn(3, 4, requires_grad=True),))
