# framework: torch
# outcome: correct
"""A thread fills one buffer while the other is in use; they change places after backward."""

import threading

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
buffers = [torch.ones(3, 4), torch.zeros(3, 4)]
array = np.ones((3, 4))


def loss_of(x):
    return (x * buffers[0] * torch.from_numpy(array.copy())).sum()


def fetch():
    buffers[1].data.copy_(torch.full((3, 4), 3.0))
    array[...] += 1.0


x = torch.randn(3, 4, requires_grad=True)
for _ in range(2):
    loss = loss_of(x)
    thread = threading.Thread(target=fetch)
    thread.start()
    thread.join()
    loss.backward()
    buffers.reverse()
CHECKED = (loss_of, (x,))
