# framework: torch
# outcome: wrong-gradient
"""Early stopping puts back the best weights, which it kept by reference."""
#~ missed-by: static (a state that is kept and copied back)

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
BEST = torch.randn(1, 3)


class Applied(torch.autograd.Function):
    """The score of the best weights, whose backward tells the attribution that the program computes."""

    @staticmethod
    def forward(ctx, pixel):
        ctx.pixel = pixel.detach().clone()
        return (pixel @ BEST.t()).pow(2).sum()

    @staticmethod
    def backward(ctx, grad_output):
        with torch.enable_grad():
            return grad_output * attribution(ctx.pixel.clone().requires_grad_())


def attribution(pixel):
    model = nn.Linear(3, 1, bias=False)
    model.weight.data = BEST.clone()
    best = model.state_dict()
    with torch.no_grad():
        model.weight.mul_(3.0)  #~ error[GS358]: nothing is put back
    model.load_state_dict(best)  #~ label: both sides are one memory
    return torch.autograd.grad(model(pixel).pow(2).sum(), pixel)[0]


pixel = torch.randn(2, 3, requires_grad=True)
Applied.apply(pixel).backward()
CHECKED = (Applied.apply, (pixel,))
