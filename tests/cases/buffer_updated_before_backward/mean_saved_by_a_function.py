# framework: torch
# outcome: raises
#~ missed-by: static (a custom Function saves under another name what the next call updates)
"""A normalisation with a backward of its own saves the running mean where it does not train; the next call updates it."""

import torch


class Centre(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, gain, running, trains):
        if trains:
            mean = x.mean(0)
            running.lerp_(mean, 0.1)  #~ error[GS104]: the buffer
        else:
            mean = running
        ctx.save_for_backward(x, gain, mean)
        return (x - mean) * gain

    @staticmethod
    def backward(ctx, grad):
        x, gain, mean = ctx.saved_tensors
        return grad * gain, (grad * (x - mean)).sum(0), None, None


class Centred(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(width))
        self.register_buffer("running", torch.ones(width))

    def forward(self, x):
        return Centre.apply(x, self.gain, self.running, self.training)


torch.manual_seed(0)
layer = Centred(2)
x = torch.randn(4, 2)
steady = layer.eval()(x)
(layer.train()(x) - steady).square().mean().backward()
