# framework: torch
# outcome: wrong-gradient
"""A checkpointed lambda looks up the layer of its loop when backward runs it again: the last one."""
#~ missed-by: static (only content tells)

import torch
from torch.utils.checkpoint import checkpoint

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

layers = [torch.nn.Linear(4, 4) for _ in range(2)]


def loss_of(x):
    for layer in layers:  #~ error[GS354]: `layer` was replaced
        x = checkpoint(lambda h: torch.tanh(layer(h)), x, use_reentrant=False)
    return x.sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
