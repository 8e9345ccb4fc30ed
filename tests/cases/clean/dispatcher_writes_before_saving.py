# framework: torch
# outcome: correct
"""An operation of the dispatcher, and a method taken from its class, write what nothing has saved yet."""

import torch

torch.manual_seed(0)


def loss_of(x):
    h = x * 2
    torch.ops.aten.add_.Tensor(h, torch.ones(4, dtype=torch.float64))
    torch.Tensor.mul_(h, 3)
    return torch.softmax(h, dim=-1).square().sum()


x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
