# framework: torch
# outcome: correct
"""A thread reads the array behind a batch while the batch is in use, and fills another one."""

import threading

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

array, other = np.ones((3, 4)), np.zeros((3, 4))


def loss_of(x):
    loss = (x * torch.from_numpy(array)).tanh().sum()
    thread = threading.Thread(target=np.add, args=(array, 1.0, other))
    thread.start()
    thread.join()
    return loss


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
