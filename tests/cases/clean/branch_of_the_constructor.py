# framework: torch
# outcome: correct
"""What is overwritten is overwritten by one kind of network only, and that kind isn't the one that saves it."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Standardised(nn.Module):
    def forward(self, x):
        return (x - x.mean()) / x.std()


class Centred(nn.Module):
    def forward(self, x):
        x[:, 0] = x[:, 0] - 0.5
        return x.sin()


class Squashed(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.linear = nn.Linear(size, size)

    def forward(self, x):
        return torch.sigmoid(self.linear(x))


class Plain(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.linear = nn.Linear(size, size)

    def forward(self, x):
        return self.linear(x)


class Compared(nn.Module):
    def __init__(self, size, is_deep, is_plain, use_projection):
        super().__init__()
        if is_deep and is_plain is False:
            self.measure = Standardised()
        elif is_plain:
            self.measure = Centred()
        else:
            self.measure = nn.Identity()
        self.is_projected = use_projection
        if use_projection:
            self.layers = nn.ModuleList([Plain(size), Plain(size)])
        else:
            self.layers = nn.ModuleList([Squashed(size), Squashed(size)])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        if self.is_projected:
            x.mul_(0.5)
        return self.measure(x * 2)


networks = [Compared(3, True, False, True), Compared(3, False, True, False), Compared(3, False, False, True)]


def loss_of(x):
    return sum(network(x).pow(2).sum() for network in networks)


loss_of(torch.randn(2, 3)).backward()
CHECKED = (loss_of, (torch.randn(2, 3, requires_grad=True),))
