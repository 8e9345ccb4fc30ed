# framework: torch
# outcome: wrong-gradient
"""The memory of a batch is handed out again for each column that is turned round after the batch was saved."""
#~ missed-by: static (memory of an array)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(weight):
    batch = torch.arange(6.0).reshape(3, 2)
    loss = (batch * weight).pow(2).sum()  #~ label: saved
    for column in range(batch.shape[1]):
        values = batch[:, column].numpy()
        values[:] = values[::-1].copy()  #~ error[GS350]: was overwritten after
    return loss


weight = torch.randn(3, 2, requires_grad=True)
loss_of(weight).backward()
CHECKED = (loss_of, (weight,))
