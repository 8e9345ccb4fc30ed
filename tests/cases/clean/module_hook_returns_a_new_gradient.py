# framework: torch
# outcome: correct
"""Backward hooks of a module look at its gradients and hand on equal ones."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Activation(torch.nn.Module):
    def forward(self, x):
        return torch.tanh(x)


norms = []
activation = Activation()
activation.register_full_backward_pre_hook(lambda module, grad_output: (grad_output[0] * 1.0,))
activation.register_full_backward_hook(lambda module, grad_input, grad_output: norms.append(grad_output[0].norm()))


def loss_of(x):
    return ((torch.sigmoid(x) + activation(x * 1)) * 1.0).pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
