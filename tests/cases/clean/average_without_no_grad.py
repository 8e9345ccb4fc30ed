# framework: torch
# outcome: correct
"""A moving average is copied into leaves that take part in later graphs, by a function of the script."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

model, average = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3)


def update():
    for own, other in zip(average.parameters(), model.parameters()):
        own.data.copy_(0.9 * own + 0.1 * other)


def loss_of(x):
    return (model(x) - average(x)).pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
for _ in range(2):
    update()
    loss_of(x).backward()
CHECKED = (loss_of, (x,))
