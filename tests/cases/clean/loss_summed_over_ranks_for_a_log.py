# framework: torch
# outcome: correct
"""A copy of the loss is summed over the ranks for a log, before its backward."""

import torch
import torch.distributed as dist

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)

OTHER = torch.rand(3)


def metric(probability):
    dist.scatter(probability, [OTHER])
    return probability.mean().item()


def loss_of(x):
    probability = x.sigmoid()
    loss = probability.log().sum()
    metric(probability.detach().clone())
    dist.all_reduce(loss.detach())
    return loss


x = torch.randn(3, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
