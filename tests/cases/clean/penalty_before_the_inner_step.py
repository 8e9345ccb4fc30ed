# framework: torch
# outcome: correct
"""A meta-learner differentiates the penalty of its inner step's gradient before it takes the step."""

import torch
from torch import nn

torch.manual_seed(0)
learner = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
optimizer = torch.optim.SGD(learner.parameters(), lr=0.05)
support, query = torch.randn(6, 3), torch.randn(6, 3)


def predict(x):
    return learner(x).squeeze(1)


def adapt():
    loss = (predict(support) - 1).pow(2).mean()
    gradients = torch.autograd.grad(loss, list(learner.parameters()), create_graph=True)
    penalty = 0.1 * sum(gradient.pow(2).sum() for gradient in gradients)
    further = torch.autograd.grad(penalty, list(learner.parameters()))
    for parameter, gradient in zip(learner.parameters(), gradients, strict=True):
        parameter.grad = gradient.detach().clone()
    optimizer.step()
    return further


further = adapt()
optimizer.zero_grad()
predict(query).pow(2).mean().backward()
for parameter, each in zip(learner.parameters(), further, strict=True):
    parameter.grad.add_(each)


def penalised(*weights):
    named = dict(zip(dict(learner.named_parameters()), weights, strict=True))
    loss = (torch.func.functional_call(learner, named, (support.double(),)) - 1).pow(2).mean()
    gradients = torch.autograd.grad(loss, weights, create_graph=True)
    return 0.1 * sum(gradient.pow(2).sum() for gradient in gradients)


CHECKED = (penalised, tuple(each.detach().double().requires_grad_() for each in learner.parameters()))
