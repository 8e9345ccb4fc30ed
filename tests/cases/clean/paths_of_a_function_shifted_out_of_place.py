# framework: torch
# outcome: correct
import torch


class Powers(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: torch.Tensor) -> torch.Tensor:
        powers = torch.stack([x, x**2])
        ctx.save_for_backward(powers)
        return powers

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> torch.Tensor:
        (powers,) = ctx.saved_tensors
        return gradient[0] + 2 * powers[0] * gradient[1]


def shifted(x: torch.Tensor) -> torch.Tensor:
    powers = Powers.apply(x)
    powers = powers + 1
    return powers.pow(2).sum()


CHECKED = (shifted, (torch.ones(3, dtype=torch.float64, requires_grad=True),))
