# framework: torch
# outcome: wrong-gradient
"""NumPy clips the array behind an activation: the line is the program's, not that of NumPy's own file."""
#~ missed-by: static (NumPy)

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    h = torch.sigmoid(x)
    loss = h.pow(2).sum()
    values = np.asarray(h.detach())
    np.clip(values, 0.4, 0.6, out=values)  #~ error[GS350]: was overwritten
    return loss


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
