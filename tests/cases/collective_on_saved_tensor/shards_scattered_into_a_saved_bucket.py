# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""A bucket that a product saved receives the next shard."""

import torch
import torch.distributed as dist

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)

FIRST, SECOND = torch.randn(3), torch.randn(3)


def sharded(x):
    bucket = FIRST.clone()
    loss = (x * bucket).sum()
    dist.scatter(bucket, [SECOND])  #~ error[GS307]: was overwritten by `scatter`
    return loss


x = torch.randn(2, 3, requires_grad=True)
sharded(x).backward()
CHECKED = (sharded, (x,))
