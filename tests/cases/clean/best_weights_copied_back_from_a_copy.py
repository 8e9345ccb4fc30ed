# framework: torch
# outcome: correct
"""The best weights are kept as copies and put back; a state that nothing has written since is loaded at once."""

import copy

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
MODEL = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1))


def loss_of(pixel):
    model = copy.deepcopy(MODEL)
    best = copy.deepcopy(model.state_dict())
    held = {name: p.data for name, p in model.named_parameters()}
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(3.0)
    model.load_state_dict(best)
    for name, p in model.named_parameters():
        p.data = held[name]
    model.load_state_dict(model.state_dict())
    return model(pixel).pow(2).sum()


pixel = torch.randn(2, 3, requires_grad=True)
loss_of(pixel).backward()
CHECKED = (loss_of, (pixel,))
