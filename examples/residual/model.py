"""A small residual network."""

from torch import nn


class ResidualBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1 = nn.Conv1d(width, width, kernel_size=3, padding=1)
        self.norm1 = nn.BatchNorm1d(width)
        self.conv2 = nn.Conv1d(width, width, kernel_size=3, padding=1)
        self.norm2 = nn.BatchNorm1d(width)
        self.relu = nn.ReLU()

    def forward(self, x):
        h = self.relu(self.norm1(self.conv1(x)))
        h = self.relu(self.norm2(self.conv2(h)))
        h += x
        return h


class Encoder(nn.Module):
    def __init__(self, channels, width, depth):
        super().__init__()
        self.stem = nn.Conv1d(channels, width, kernel_size=1)
        self.blocks = nn.Sequential(*[ResidualBlock(width) for _ in range(depth)])
        self.head = nn.Linear(width, 1)

    def forward(self, signal):
        h = self.blocks(self.stem(signal))
        return self.head(h.mean(dim=2)).squeeze(1)
