# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""One loss is differentiated twice over a retained graph, with a fused step in between."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

WEIGHT = torch.randn(3, 2)


def twice(x):
    weight = nn.Parameter(WEIGHT.clone())
    optimizer = torch.optim.AdamW([weight], lr=0.5, weight_decay=0.5, fused=True)
    loss = (x @ weight).pow(2).mean()
    loss.backward(retain_graph=True, inputs=[weight])
    optimizer.step()  #~ error[GS302]: was updated by `AdamW.step` before
    return loss


x = torch.randn(2, 3, requires_grad=True)
twice(x).backward()
CHECKED = (twice, (x,))
