# framework: torch
# outcome: raises
#~ missed-by: static (what an operator of the program's own writes, its registration tells)
#~ missed-by: fix (whether the gradient is to know of the clipping, the author decides)
"""An operator that the program registers clips its argument in place: it counts its writes itself."""

import torch


@torch.library.custom_op("own::clip_", mutates_args={"x"})
def clip_(x: torch.Tensor, bound: float) -> None:
    x.numpy(force=True).clip(-bound, bound, out=x.numpy(force=True))


torch.manual_seed(0)
weight = torch.randn(4, requires_grad=True)
gate = torch.tanh(weight)  #~ label: `tanh` saved its result
with torch.no_grad():
    clip_(gate, 0.5)  #~ error[GS101]: modified in place
(gate * 2).sum().backward()
