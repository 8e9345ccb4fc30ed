# framework: torch
# outcome: raises
"""A meta-learner steps on the support set, and adds a penalty of that step's gradient to the query loss."""

import torch
from torch import nn

torch.manual_seed(0)
learner = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
optimizer = torch.optim.SGD(learner.parameters(), lr=0.05)
support, query = torch.randn(6, 3), torch.randn(6, 3)


def predict(x):
    copies = {name: each.clone() for name, each in learner.named_parameters()}
    return torch.func.functional_call(learner, copies, (x,)).squeeze(1)


def adapt():
    loss = (predict(support) - 1).pow(2).mean()
    gradients = torch.autograd.grad(loss, list(learner.parameters()), create_graph=True)
    for parameter, gradient in zip(learner.parameters(), gradients, strict=True):
        parameter.grad = gradient.detach().clone()
    optimizer.step()
    return sum(gradient.pow(2).sum() for gradient in gradients)


penalty = adapt()
loss = predict(query).pow(2).mean() + 0.1 * penalty
optimizer.zero_grad()
loss.backward()
