# framework: torch
# outcome: correct
"""A bucket receives its shard before it is used."""

import torch
import torch.distributed as dist

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)

FIRST, SECOND = torch.randn(3), torch.randn(3)


def sharded(x):
    bucket = FIRST.clone()
    dist.scatter(bucket, [SECOND])
    return (x * bucket).sum()


x = torch.randn(2, 3, requires_grad=True)
sharded(x).backward()
CHECKED = (sharded, (x,))
