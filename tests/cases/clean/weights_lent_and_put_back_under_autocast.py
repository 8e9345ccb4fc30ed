# framework: torch
# outcome: correct
"""Weights are lent to a pass without autocast and put back, so that what autocast has cast before still holds."""

import torch

torch.set_default_dtype(torch.float64)


class Applied(torch.autograd.Function):
    """A loss whose derivative is a number that the program is meant to compute."""

    @staticmethod
    def forward(ctx, x):
        return x.detach().sum() * -56.0

    @staticmethod
    def backward(ctx, grad_output):
        with torch.enable_grad():
            return grad_output * derivative().expand(2)


def lend(model, values):
    for p, value in zip(model.parameters(), values):
        p.data.copy_(value)


def derivative():
    policy = torch.nn.Sequential(torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False))
    for p, value in zip(policy.parameters(), (1.0, 2.0)):
        p.data = torch.full((1, 1), value, dtype=torch.float32)
    x = torch.ones(1, 1, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        first = policy(x)
        kept = [p.detach().clone() for p in policy.parameters()]
        lend(policy, [torch.full((1, 1), 2.0), torch.full((1, 1), 8.0)])
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            anchor = policy(x)
        lend(policy, kept)
        loss = 0.5 * (first.float() + policy(x).float() - 2 * anchor).pow(2).sum() / 2
    return torch.autograd.grad(loss, next(policy.parameters()))[0].double().reshape(1)


x = torch.randn(2, requires_grad=True)
Applied.apply(x).backward()
CHECKED = (Applied.apply, (x,))
