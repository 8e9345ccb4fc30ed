# framework: torch
# outcome: wrong-gradient
"""A reference model lends its weights to the policy inside one autocast region, and both passes use the first casts."""
#~ missed-by: static (what autocast keeps)

import torch

torch.set_default_dtype(torch.float64)


class Applied(torch.autograd.Function):
    """A loss whose derivative is a number that the program is meant to compute."""

    @staticmethod
    def forward(ctx, x):
        return x.detach().sum() * 4.0

    @staticmethod
    def backward(ctx, grad_output):
        with torch.enable_grad():
            return grad_output * derivative().expand(2)


def model_of(first, second):
    model = torch.nn.Sequential(torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False))
    for p, value in zip(model.parameters(), (first, second)):
        p.data = torch.full((1, 1), value, dtype=torch.float32)
    return model


def lend(model, values):
    for p, value in zip(model.parameters(), values):
        p.data.copy_(value)  #~ error[GS360]: was written inside an autocast region


def derivative():
    policy, reference = model_of(1.0, 2.0), [torch.full((1, 1), 2.0), torch.full((1, 1), 8.0)]
    x = torch.ones(1, 1, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        kept = [p.detach().clone() for p in policy.parameters()]
        lend(policy, reference)
        with torch.no_grad():
            policy(x)
        lend(policy, kept)
        loss = policy(x).float().sum() * 2  #~ label: uses the copy from before the write
    return torch.autograd.grad(loss, next(policy.parameters()))[0].double().reshape(1)


x = torch.randn(2, requires_grad=True)
Applied.apply(x).backward()
CHECKED = (Applied.apply, (x,))
