# framework: torch
# outcome: correct
"""An operator that the program registers clips a copy in place, and the copy is a number to the loss."""

import torch

torch.set_default_dtype(torch.float64)


@torch.library.custom_op("own::clip_copy_", mutates_args={"x"})
def clip_(x: torch.Tensor, bound: float) -> None:
    x.numpy(force=True).clip(-bound, bound, out=x.numpy(force=True))


def loss(weight):
    gate = torch.tanh(weight)
    clipped = torch.full_like(gate, 2.0)
    clip_(clipped, 0.5)
    return (gate * clipped).sum()


weight = torch.randn(4, requires_grad=True)
loss(weight).backward()
CHECKED = (loss, (weight,))
