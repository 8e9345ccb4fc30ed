# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""What a `sigmoid` saved is handed to a collective through `detach`."""

import torch
import torch.distributed as dist

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)

OTHER = torch.rand(3)


def metric(probability):
    dist.scatter(probability, [OTHER])  #~ error[GS307]: was overwritten by `scatter`
    return probability.mean().item()


def loss_of(x):
    probability = x.sigmoid()
    loss = probability.log().sum()
    metric(probability.detach())
    return loss


x = torch.randn(3, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
