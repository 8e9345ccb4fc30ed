# framework: torch
# outcome: correct
"""A hook reads the mask that its module keeps, and backward runs before the next call fills it."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Gate(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.empty(4))
        self.n = 0

    def forward(self, x):
        self.n += 1
        self.mask.copy_((torch.arange(4) + self.n) % 2)
        out = x + (x * self.mask - x).detach()
        out.register_hook(lambda grad: grad * self.mask)
        return out


def loss_of(x):
    return Gate()(x).pow(2).sum()


gate, w = Gate(), torch.randn(3, 4, requires_grad=True)
for _ in range(2):
    gate(w).pow(2).sum().backward()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
