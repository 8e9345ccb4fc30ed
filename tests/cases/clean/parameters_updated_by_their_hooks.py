# framework: torch
# outcome: correct
"""Each parameter is updated as soon as its gradient is there, when nothing needs its value any more."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

WEIGHTS = torch.randn(2, 3, 3)


def update(parameter):
    parameter.data.sub_(parameter.grad)
    parameter.grad = None


def layers(x):
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    for layer, weight in zip((model[0], model[2]), WEIGHTS):
        layer.weight.data.copy_(weight)
        layer.bias.data.zero_()
    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(update)
    return model(x).pow(2).sum()


x = torch.randn(2, 3, requires_grad=True)
layers(x).backward()
CHECKED = (layers, (x,))
