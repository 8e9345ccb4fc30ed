# framework: torch
# outcome: correct
"""A parameter is made in one branch or the other and frozen in both; a leaf may be made like a tensor without one."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Masked(nn.Module):
    def __init__(self, size, is_sparse):
        super().__init__()
        self.linear = nn.Linear(size, size)
        if is_sparse:
            self.mask = nn.Parameter(torch.eye(size)).requires_grad_(False)
        else:
            self.mask = nn.Parameter(torch.ones(size, size)).requires_grad_(False)

    def prune(self, unit):
        self.mask[unit] = 0.0

    def forward(self, x):
        return self.linear(x) @ self.mask


class Particles:
    def __init__(self, size):
        self.positions = torch.zeros(size)


def renew(particles):
    particles.positions = torch.tensor([1.0, 2.0, 3.0], requires_grad=particles.positions.requires_grad)


def drift(particles, n_steps):
    renew(particles)
    for _ in range(n_steps):
        particles.positions += 0.1
    return particles.positions


network, particles = Masked(3, True), Particles(3)
network.prune(0)


def loss_of(x):
    return (network(x) * drift(particles, 2)).sum()


loss_of(torch.randn(2, 3)).backward()
CHECKED = (loss_of, (torch.randn(2, 3, requires_grad=True),))
