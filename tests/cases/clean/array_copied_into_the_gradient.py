# framework: torch
# outcome: correct
"""Arrays become gradients as they are, and are filled anew only once the gradients were dropped or clipped."""

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

adjoint = np.zeros(3)


class Energy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, stiffness, stretch):
        ctx.save_for_backward(stretch)
        return (stiffness * stretch).sum()

    @staticmethod
    def backward(ctx, grad_output):
        (stretch,) = ctx.saved_tensors
        adjoint[:] = (grad_output * stretch).numpy()
        return torch.from_numpy(adjoint), None


weight = torch.nn.Parameter(torch.ones(3))
optimizer = torch.optim.SGD([weight], lr=0.1)
for step in range(3):
    Energy.apply(weight, torch.full((3,), step + 1.0)).backward()
    torch.nn.utils.clip_grad_norm_([weight], 0.5)
    optimizer.step()
    optimizer.zero_grad()
x = torch.randn(3, requires_grad=True)
CHECKED = (lambda x: Energy.apply(x, torch.arange(3.0)), (x,))
Energy.apply(x, torch.arange(3.0)).backward()
