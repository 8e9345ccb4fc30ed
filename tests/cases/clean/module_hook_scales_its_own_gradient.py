# framework: torch
# outcome: correct
"""A module's backward hook scales the gradient in place once nobody else waits for it."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Activation(torch.nn.Module):
    def forward(self, x):
        return torch.tanh(x)


def scale(module, grad_input, grad_output):
    grad_output[0].mul_(0.5)


activation = Activation()
activation.register_full_backward_hook(scale)


def loss_of(x):
    return activation(x * 1).pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
