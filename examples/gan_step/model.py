"""A generator and a discriminator for points on a line."""

from torch import nn


def make_generator(noise, width):
    return nn.Sequential(nn.Linear(noise, width), nn.Tanh(), nn.Linear(width, 2))


def make_discriminator(width):
    return nn.Sequential(nn.Linear(2, width), nn.LeakyReLU(0.2), nn.Linear(width, 1))
