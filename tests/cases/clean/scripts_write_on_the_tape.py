# framework: torch
# outcome: correct
"""Scripted code and operations of `torch.ops` write in place: on the tape, to copies and to counters."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


@torch.jit.script
def spread_of(hidden: torch.Tensor) -> torch.Tensor:
    flat = hidden.detach().clone()
    flat -= flat.mean(0)
    return flat.norm()


@torch.jit.script
def shift(hidden: torch.Tensor) -> None:
    hidden.mul_(2.0)


class Counted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("n_calls", torch.zeros(()))

    def forward(self, x):
        self.n_calls += 1.0
        return x * 3.0


counted = torch.jit.script(Counted())


def loss_of(x):
    hidden = counted(x) + 1
    spread_of(hidden)
    shift(hidden)
    torch.ops.aten.mul_(hidden, 2.0)
    with torch.no_grad():
        torch.ops.aten.mul_(hidden.clone(), 3.0)
    return hidden.pow(2).sum()


x = torch.randn(2, 3, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
