"""A generator and a discriminator for points on a line."""

from torch import nn


class Players:
    def __init__(self, noise, width):
        self.generator = nn.Sequential(nn.Linear(noise, width), nn.Tanh(), nn.Linear(width, 2))
        self.discriminator = nn.Sequential(nn.Linear(2, width), nn.LeakyReLU(0.2), nn.Linear(width, 1))
