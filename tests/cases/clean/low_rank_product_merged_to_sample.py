# framework: torch
# outcome: correct
"""A generator's adapter is merged to sample from it and taken out again; its average follows; then the critic learns."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 4), requires_grad=False)
        self.left, self.right = nn.Parameter(torch.randn(4, 2)), nn.Parameter(torch.randn(2, 4))

    def merge(self, sign):
        self.weight.data += sign * (self.left @ self.right)

    def forward(self, z):
        return z @ (self.weight + self.left @ self.right)


generator, critic = Generator(), nn.Linear(4, 1)
average = nn.Parameter(generator.left.detach().clone(), requires_grad=False)
optimizer = torch.optim.SGD([generator.left, generator.right, *critic.parameters()], lr=0.1)

generator.merge(1.0)
with torch.no_grad():
    fake = torch.eye(4) @ generator.weight
generator.merge(-1.0)
average.data.mul_(0.9).add_(0.1 * generator.left)
critic(fake).mean().backward()
critic(generator(torch.eye(4))).mean().backward()
optimizer.step()


def loss_of(z):
    return critic(generator(z)).pow(2).sum()


CHECKED = (loss_of, (torch.randn(3, 4, requires_grad=True),))
