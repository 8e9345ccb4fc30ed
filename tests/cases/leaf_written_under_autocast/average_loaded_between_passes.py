# framework: torch
# outcome: wrong-gradient
"""Averaged weights are loaded into convolutions between two passes of one autocast region."""
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


def derivative():
    first, second = (torch.nn.Conv1d(1, 1, 1, bias=False, dtype=torch.float32) for _ in range(2))
    model = torch.nn.Sequential(first, second)
    average = {name: torch.full((1, 1, 1), 4.0) for name in model.state_dict()}
    x = torch.ones(1, 1, 1, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model(x)
        model.load_state_dict(average)  #~ error[GS360]: was written inside an autocast region
        loss = model(x).float().sum()  #~ label: uses the copy from before the write
    return torch.autograd.grad(loss, first.weight)[0].double().reshape(1)


x = torch.randn(2, requires_grad=True)
Applied.apply(x).backward()
CHECKED = (Applied.apply, (x,))
