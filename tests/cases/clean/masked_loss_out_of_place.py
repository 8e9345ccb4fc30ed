# framework: torch
# outcome: correct
"""`torch.where`, `masked_fill` and `index_put` build new tensors."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
mask = torch.tensor([True, False, True])


def loss_of(x):
    h = torch.sigmoid(x)
    kept = torch.where(mask, h, torch.zeros_like(h))
    filled = h.masked_fill(mask, 0.5)
    placed = h.index_put((torch.tensor([0]),), torch.tensor([2.0]))
    return (kept + filled + placed).pow(2).sum()


loss_of(torch.randn(3, requires_grad=True)).backward()
CHECKED = (loss_of, (torch.randn(3, requires_grad=True),))
