"""Whole training steps to measure on: forward, backward, optimizer, zero_grad."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Step = Callable[[], None]


def tiny_step() -> Step:
    """Thirty tiny layers with in-place activations; AdamW as a Python loop over the parameters."""
    layers: list[nn.Module] = []
    for _ in range(30):
        layers += [nn.Linear(32, 32), nn.ReLU(inplace=True)]
    model = nn.Sequential(*layers, nn.Linear(32, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, foreach=False)
    inputs, target = torch.randn(16, 32), torch.randn(16, 1)
    return _step(model, optimizer, lambda: F.mse_loss(model(inputs), target))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        h = self.relu(self.norm1(self.conv1(x)))
        h = self.norm2(self.conv2(h))
        h += self.shortcut(x)
        return self.relu(h)


def resnet_step() -> Step:
    """The shape of ResNet-18: batch norm and in-place ReLU, SGD with momentum."""
    layers: list[nn.Module] = [
        nn.Conv2d(3, 64, 7, 2, padding=3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, padding=1),
    ]
    before = 64
    for after, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [BasicBlock(before, after, stride), BasicBlock(after, after, 1)]
        before = after
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    images, labels = torch.randn(2, 3, 64, 64), torch.randint(0, 10, (2,))
    return _step(model, optimizer, lambda: F.cross_entropy(model(images), labels))


class Attention(nn.Module):
    """A transformer's block, before-norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        n_batch, n_tokens, width = x.shape
        q, k, v = (
            part.view(n_batch, n_tokens, self.heads, -1).transpose(1, 2)
            for part in self.qkv(self.norm1(x)).chunk(3, -1)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(n_batch, n_tokens, width))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    """A small language model with tied embeddings."""

    def __init__(self, *, vocabulary: int, width: int, depth: int, heads: int, context: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.zeros(context, width))
        self.blocks = nn.Sequential(*[Attention(width, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens) + self.positions
        return self.norm(self.blocks(x)) @ self.tokens.weight.T


def gpt_step() -> Step:
    """A GPT of four blocks, AdamW as it comes, gradient clipping."""
    model = GPT(vocabulary=256, width=128, depth=4, heads=4, context=64)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    tokens = torch.randint(0, 256, (4, 65))

    def loss() -> Tensor:
        return F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())

    return _step(model, optimizer, loss, clip=1.0)


class Grid:
    """A walk to the far corner of a grid with walls, in plain Python."""

    moves = ((1, 0), (-1, 0), (0, 1), (0, -1))

    def __init__(self, size: int) -> None:
        self.size = size
        self.walls = {(3 * n % size, 5 * n % size) for n in range(1, size)}
        self.at = (0, 0)

    def reset(self) -> list[float]:
        self.at = (0, 0)
        return self.observe()

    def observe(self) -> list[float]:
        seen = []
        for dx in (-1, 0, 1):
            for dy in (-1, 0, 1):
                seen.append(0.0 if self.is_free((self.at[0] + dx, self.at[1] + dy)) else 1.0)
        return seen

    def is_free(self, cell: tuple[int, int]) -> bool:
        x, y = cell
        return 0 <= x < self.size and 0 <= y < self.size and cell not in self.walls

    def step(self, action: int) -> tuple[list[float], float]:
        dx, dy = self.moves[action]
        there = (self.at[0] + dx, self.at[1] + dy)
        if self.is_free(there):
            self.at = there
        return self.observe(), (self.at[0] + self.at[1]) / (2 * self.size)

    def best_reward(self, depth: int) -> float:
        """Look ahead over all walks of a length."""
        best, here = 0.0, self.at
        for action in range(len(self.moves)):
            _, reward = self.step(action)
            best = max(best, reward if depth == 1 else self.best_reward(depth - 1))
            self.at = here
        return best


def walk_step() -> Step:
    """A policy gradient of one walk: most of the time goes to an environment written in plain Python."""
    policy = nn.Sequential(nn.Linear(9, 32), nn.Tanh(), nn.Linear(32, 4))
    optimizer = torch.optim.Adam(policy.parameters(), lr=1e-4)
    grid = Grid(12)

    def step() -> None:
        seen, losses = grid.reset(), []
        for _ in range(8):
            choice = torch.distributions.Categorical(logits=policy(torch.tensor(seen)))
            action = choice.sample()
            seen, reward = grid.step(int(action))
            losses.append(-choice.log_prob(action) * (reward - grid.best_reward(2)))
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()
        optimizer.step()

    return step


def _step(
    model: nn.Module, optimizer: torch.optim.Optimizer, loss: Callable[[], Tensor], *, clip: float | None = None
) -> Step:
    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()

    return step


@dataclass(frozen=True, slots=True)
class Workload:
    """A training step and how many of them make one timed stretch."""

    make: Callable[[], Step]
    n_steps: int


WORKLOADS = {
    "tiny": Workload(tiny_step, 50),
    "resnet": Workload(resnet_step, 4),
    "gpt": Workload(gpt_step, 10),
    "walk": Workload(walk_step, 20),
}
