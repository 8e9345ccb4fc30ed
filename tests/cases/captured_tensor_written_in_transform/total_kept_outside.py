# framework: torch
# outcome: raises
#~ missed-by: static (transforms are not followed)
#~ missed-by: fix (transforms are not protected, so nothing could be proven)
import torch


total = torch.zeros(())


def loss(x):
    global total
    total += x.square().sum()  #~ error[GS403]: in-place `+=` was refused on `total`
    return total


torch.func.grad(loss)(torch.ones(3))
