# framework: torch
# outcome: correct
"""Tokens are exchanged into a buffer of their own each time."""

import torch
import torch.distributed as dist

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)

FIRST, SECOND = torch.randn(4, 3), torch.randn(4, 3)


def routed(x):
    tokens = torch.empty(4, 3)
    dist.all_to_all_single(tokens, FIRST)
    loss = (x @ tokens.t()).exp().sum()
    dist.all_to_all_single(torch.empty(4, 3), SECOND)
    return loss


x = torch.randn(2, 3, requires_grad=True)
routed(x).backward()
CHECKED = (routed, (x,))
