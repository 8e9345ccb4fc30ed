# framework: torch
# outcome: correct
"""Autocast is entered for each pass of a training loop; a step stands last in its region."""

import torch

torch.set_default_dtype(torch.float64)


class Applied(torch.autograd.Function):
    """A loss whose derivative is a number that the program is meant to compute."""

    @staticmethod
    def forward(ctx, x):
        return x.detach().sum() * 0.5

    @staticmethod
    def backward(ctx, grad_output):
        with torch.enable_grad():
            return grad_output * derivative().expand(2)


def derivative():
    model = torch.nn.Sequential(torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False))
    for p, value in zip(model.parameters(), (1.0, 1.0)):
        p.data = torch.full((1, 1), value, dtype=torch.float32)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    x = torch.ones(1, 1, dtype=torch.float32)
    for _ in range(2):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            optimizer.zero_grad()
            loss = model(x).float().sum()
            loss.backward()
            gradient = next(model.parameters()).grad.clone()
            optimizer.step()
    return gradient.double().reshape(1)


x = torch.randn(2, requires_grad=True)
Applied.apply(x).backward()
CHECKED = (Applied.apply, (x,))
