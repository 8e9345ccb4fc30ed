# framework: torch
# outcome: wrong-gradient
"""An array over a saved activation is centred."""
#~ missed-by: static (only content tells)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

def loss_of(x):
    hidden = torch.tanh(x @ torch.ones(4, 2))  #~ label: saved its result
    array = hidden.detach().numpy()
    array -= array.mean()  #~ error[GS350]: was overwritten after
    return hidden.sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
