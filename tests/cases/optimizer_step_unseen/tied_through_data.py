# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (parameters that share memory)
"""Two layers share memory but not a version counter; a step with the one is not seen by the graph of the other."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

WEIGHT = torch.randn(3, 3)


def decoded(x):
    encoder, decoder = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
    encoder.weight.data.copy_(WEIGHT)
    decoder.weight.data = encoder.weight.data
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.5, foreach=True)
    out = decoder(x.tanh()).pow(2).sum()  #~ label: saved its `weight`
    encoder(x.detach()).pow(2).sum().backward()
    optimizer.step()  #~ error[GS302]: was updated by `SGD.step` before
    return out


x = torch.randn(2, 3, requires_grad=True)
decoded(x).backward()
CHECKED = (decoded, (x,))
