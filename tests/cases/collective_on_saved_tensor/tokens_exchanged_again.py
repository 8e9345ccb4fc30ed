# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""The buffer of exchanged tokens receives the next ones before the loss on it is differentiated."""

import torch
import torch.distributed as dist

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)

FIRST, SECOND = torch.randn(4, 3), torch.randn(4, 3)


def routed(x):
    tokens = torch.empty(4, 3)
    dist.all_to_all_single(tokens, FIRST)
    loss = (x @ tokens.t()).exp().sum()  #~ label: saved its
    dist.all_to_all_single(tokens, SECOND)  #~ error[GS307]: was overwritten by `all_to_all_single`
    return loss


x = torch.randn(2, 3, requires_grad=True)
routed(x).backward()
CHECKED = (routed, (x,))
