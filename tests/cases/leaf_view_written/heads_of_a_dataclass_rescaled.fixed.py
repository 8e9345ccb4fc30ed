# framework: torch
# outcome: raises
"""A dataclass makes its parameter after its fields are set; a method hands out views of it."""

from dataclasses import dataclass, field

import torch
from torch import nn


@dataclass
class HeadStack:
    heads: list
    flat: torch.Tensor = field(init=False)

    def __post_init__(self):
        self.flat = nn.Parameter(torch.cat([head.weight.detach() for head in self.heads]))

    def head(self, i):
        size = self.heads[0].out_features
        return self.flat[i * size : (i + 1) * size]

    def rescale(self, gains):
        with torch.no_grad():
            for i, gain in enumerate(gains):
                self.head(i).mul_(gain)

    def __call__(self, x):
        return x @ self.flat.t()


torch.manual_seed(0)
stack = HeadStack([nn.Linear(4, 2, bias=False) for _ in range(3)])
stack.rescale([0.5, 1.0, 2.0])
stack(torch.randn(6, 4)).logsumexp(1).mean().backward()
