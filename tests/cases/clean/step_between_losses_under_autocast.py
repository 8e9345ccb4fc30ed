# framework: torch
# outcome: correct
"""Under autocast a layer saves a copy of its weight, so a step may come before the backward of a second loss."""

import torch

torch.set_default_dtype(torch.float64)


class Applied(torch.autograd.Function):
    """A loss whose derivative is a number that the program is meant to compute."""

    @staticmethod
    def forward(ctx, x):
        return x.detach().sum() * 2.0

    @staticmethod
    def backward(ctx, grad_output):
        with torch.enable_grad():
            return grad_output * derivative().expand(2)


def derivative():
    critic = torch.nn.Linear(1, 1, bias=False, dtype=torch.float32)
    critic.weight.data = torch.full((1, 1), 2.0, dtype=torch.float32)
    optimizer = torch.optim.SGD(critic.parameters(), lr=0.5)
    made = torch.ones(1, 1, dtype=torch.float32, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        critic_loss = critic(made.detach()).float().sum()
        generator_loss = critic(made).float().sum()
    critic_loss.backward()
    optimizer.step()
    generator_loss.backward()
    return made.grad.double().reshape(1)


x = torch.randn(2, requires_grad=True)
Applied.apply(x).backward()
CHECKED = (Applied.apply, (x,))
