# framework: torch
# outcome: wrong-gradient
#~ missed-by: static (seen when it runs)
"""An adaptation step subtracts from the data of a copy: the rate, which is to be learned, gets no gradient."""

import copy

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

layer = nn.Linear(3, 2)


def adapted(rate, x):
    model = copy.deepcopy(layer)
    grads = torch.autograd.grad(model(x).pow(2).mean(), list(model.parameters()), create_graph=True)
    for parameter, grad in zip(model.parameters(), grads):
        parameter.data -= rate * grad  #~ warning[GS304]: its gradient
    return model


def loss_of(rate):
    x = torch.linspace(0, 1, 12).view(4, 3)
    return adapted(rate, x)(x).pow(3).mean() + 0 * rate.sum().detach()


rate = torch.tensor([0.1], requires_grad=True)
loss_of(rate).backward()
CHECKED = (lambda at: loss_of(at) + 0 * at.sum(), (rate,))
