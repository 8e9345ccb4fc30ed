# framework: torch
# outcome: wrong-gradient
"""A thread that fetches the next batch refills the array behind this one."""
#~ missed-by: static (NumPy)

import threading

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    array = np.ones((3, 4))
    loss = (x * torch.from_numpy(array)).sum()

    def fetch():
        array[...] = 3.0  #~ error[GS350]: was overwritten

    thread = threading.Thread(target=fetch)
    thread.start()
    thread.join()
    return loss


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
