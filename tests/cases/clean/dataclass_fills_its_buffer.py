# framework: torch
# outcome: correct
"""A dataclass makes a plain tensor after its fields are set, and writes views of it."""

from dataclasses import dataclass, field

import torch


@dataclass
class Window:
    size: int
    shape: torch.Tensor = field(init=False)
    gain: float = 1.0

    def __post_init__(self):
        self.shape = torch.hann_window(self.size)

    def half(self):
        return self.shape[: self.size // 2]

    def taper(self):
        self.half().mul_(self.gain)

    def __call__(self, x):
        return x * self.shape


def loss_of(x):
    return window(x).pow(2).sum()


torch.manual_seed(0)
window = Window(8, 0.5)
window.taper()
x = torch.randn(3, 8, dtype=torch.float64, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
