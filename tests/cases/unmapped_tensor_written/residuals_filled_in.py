# framework: torch
# outcome: raises
#~ missed-by: static (transforms are not followed)
#~ missed-by: fix (transforms are not protected, so nothing could be proven)
import torch


def residuals(x):
    out = torch.zeros(2)
    out[0] = x.sum()  #~ error[GS404]: in-place `[...] =` of a mapped value was refused on `out`
    out[1] = x.prod()
    return out


torch.func.vmap(residuals)(torch.ones(4, 3))
