# framework: torch
# outcome: wrong-gradient
"""A thread that has made no node copies the next batch into the only buffer, through .data."""
#~ missed-by: static (a function that a thread runs)

import threading

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    buffer = torch.ones(3, 4)
    loss = (x * buffer).sum()

    def fetch():
        buffer.data.copy_(torch.full((3, 4), 3.0))  #~ error[GS301]: was overwritten

    thread = threading.Thread(target=fetch)
    thread.start()
    thread.join()
    return loss


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
