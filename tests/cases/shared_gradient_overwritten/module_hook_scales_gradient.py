# framework: torch
# outcome: wrong-gradient
"""A module's backward hook scales the gradient that its neighbour in a sum receives too."""
#~ missed-by: static (only content tells)

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Activation(torch.nn.Module):
    def forward(self, x):
        return torch.tanh(x)


def damp(module, grad_input, grad_output):
    grad_output[0].mul_(0.5)  #~ error[GS353]: a gradient was overwritten in place


def loss_of(x):
    activation = Activation()
    activation.register_full_backward_hook(damp)
    left = torch.sigmoid(x)
    return ((left + activation(x * 1)) * 1.0).pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
