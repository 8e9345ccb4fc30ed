# framework: torch
# outcome: correct
"""Two threads, one after the other, fill one array with features, and each loss gets a copy."""

import threading

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

scratch = np.empty((2, 3))
batches = [np.arange(6.0).reshape(2, 3), np.ones((2, 3))]


def features(batch):
    np.sin(batch, out=scratch)
    return torch.tensor(scratch)


def loss_of(weight):
    parts, turns = {}, [threading.Event() for _ in range(3)]
    turns[0].set()

    def run(index):
        turns[index].wait()
        parts[index] = (features(batches[index]) * weight).pow(2).sum()
        turns[index + 1].set()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return parts[0] + parts[1]


weight = torch.randn(3, requires_grad=True)
loss_of(weight).backward()
CHECKED = (loss_of, (weight,))
