# framework: torch
# outcome: correct
"""Gradients are scaled in place, as a list and one by one, after the backward that made them."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Sigmoid(), torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def loss_of(x):
    return model(x).pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
for _ in range(3):
    optimizer.zero_grad()
    loss_of(x).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for p in model.parameters():
        p.grad.mul_(0.5)
    optimizer.step()
CHECKED = (loss_of, (x,))
