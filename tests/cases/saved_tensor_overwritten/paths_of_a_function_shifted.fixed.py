# framework: torch
# outcome: raises
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


x = torch.ones(3, requires_grad=True)
powers = Powers.apply(x)
powers = powers + 1
powers.sum().backward()
