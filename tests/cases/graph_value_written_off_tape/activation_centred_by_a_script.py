# framework: torch
# outcome: wrong-gradient
"""A scripted function centres a detached alias: no Python runs where it writes."""
#~ missed-by: static (the body of a script)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


@torch.jit.script
def spread_of(hidden: torch.Tensor) -> torch.Tensor:
    flat = hidden.detach()
    flat -= flat.mean(0)
    flat *= 2.0
    return flat.norm()


def loss_of(x):
    hidden = x @ torch.ones(3, 3)
    spread_of(hidden)  #~ error[GS303]: was mutated off the tape
    return hidden.pow(2).sum()


x = torch.randn(2, 3, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
