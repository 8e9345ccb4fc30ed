# framework: torch
# outcome: raises
#~ missed-by: fix (the view would have to be made elsewhere)
#~ missed-by: static (inference mode)
"""The view of a training tensor is made inside `inference_mode`, for logging, and reused outside."""

import torch
from torch import nn


def log_shape(hidden):
    with torch.inference_mode():
        last = hidden[:, -1]
        print("last step:", tuple(last.shape))
    return last


torch.manual_seed(0)
hidden = nn.Linear(3, 3)(torch.randn(2, 4, 3))
last = log_shape(hidden)
last += 1.0  #~ error[GS204]: `last`, a view made under `inference_mode`
hidden.sum().backward()
