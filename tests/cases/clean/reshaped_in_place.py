# framework: torch
# outcome: correct
"""`unsqueeze_`, `t_` and `squeeze_` reshape the tensor, they write no element; nobody saved it."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
layer = nn.Linear(3, 2)


def loss_of(x):
    h = layer(x)
    h.t_()
    h.unsqueeze_(0)
    return h.exp().sum()


loss_of(torch.randn(4, 3)).backward()
CHECKED = (loss_of, (torch.randn(4, 3, requires_grad=True),))
