# framework: torch
# outcome: correct
"""An optimizer keeps a copy, and the program zeroes the gradient by hand."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Applied(torch.autograd.Function):
    """A loss whose backward tells which gradient was applied."""

    @staticmethod
    def forward(ctx, x, train):
        ctx.train, ctx.at = train, x.detach().clone()
        return (x * x).sum() * 1.0

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.train(ctx.at), None


class Lagging(torch.optim.Optimizer):
    def __init__(self, parameters):
        super().__init__(parameters, {})

    @torch.no_grad()
    def step(self):
        for p in self.param_groups[0]["params"]:
            state = self.state[p]
            state["applied"] = state.get("previous", p.grad).clone()
            state["previous"] = p.grad.clone()


@torch.enable_grad()
def train(at):
    w = torch.nn.Parameter(at)
    optimizer = Lagging([w])
    for scale in (1.0, 3.0):
        w.grad = torch.zeros_like(w) if w.grad is None else w.grad.zero_()
        (scale * w * w).sum().backward()
        optimizer.step()
    return optimizer.state[w]["applied"]


def loss_of(x):
    return Applied.apply(x, train)


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
