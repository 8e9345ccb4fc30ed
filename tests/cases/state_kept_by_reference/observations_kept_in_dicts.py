# framework: torch
# outcome: wrong-gradient
"""An environment fills one dictionary again at each step, and the rollout keeps the dictionary at each step."""
#~ missed-by: static (one tensor in many entries)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Applied(torch.autograd.Function):
    """A loss whose backward tells the gradient that the program meant."""

    @staticmethod
    def forward(ctx, weight, value, gradient):
        ctx.gradient, ctx.at = gradient, weight.detach().clone()
        return value(weight.detach())

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.gradient(ctx.at), None, None


def meant(weight):
    return sum((weight * k).pow(2).sum() for k in range(4))


def rollout():
    observation, path = {"state": torch.zeros(3)}, []
    for _ in range(4):
        path.append(observation)
        observation["state"].add_(1)  #~ error[GS358]: every entry is the last state
    return path


@torch.enable_grad()
def gradient(at):
    weight = at.clone().requires_grad_()
    path = rollout()
    states = torch.stack([each["state"] for each in path])
    return torch.autograd.grad((weight * states).pow(2).sum(), weight)[0]


def loss_of(weight):
    return Applied.apply(weight, meant, gradient)


weight = torch.randn(3, requires_grad=True)
loss_of(weight).backward()
CHECKED = (loss_of, (weight,))
