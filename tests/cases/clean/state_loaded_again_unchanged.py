# framework: torch
# outcome: correct
"""A model's own state, which nothing has changed since it was taken, is loaded twice: each copy is onto itself."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 2).double()
state = model.state_dict()
inputs = torch.rand(3, 4, dtype=torch.float64, requires_grad=True)


def loss_of(inputs):
    return model(inputs).square().sum()


model.load_state_dict(state)
loss_of(inputs).backward()
model.load_state_dict(state)
inputs.grad = None
loss_of(inputs).backward()
CHECKED = (loss_of, (inputs,))
