# framework: torch
# outcome: raises
"""A running second moment, one number a column, is expanded to the gradient's shape and then updated in place."""

import torch
from torch import nn


class Preconditioner:
    def __init__(self, layer):
        self.layer, self.state = layer, {}

    def step(self):
        grad = self.layer.weight.grad
        if "moment" not in self.state:
            self.state["moment"] = torch.ones(1, grad.shape[1]).expand_as(grad)
        moment = self.state["moment"]
        moment.mul_(0.9).add_(grad**2, alpha=0.1)  #~ error[GS209]: whose elements share memory
        with torch.no_grad():
            self.layer.weight -= 0.1 * grad / moment.sqrt()


torch.manual_seed(0)
layer = nn.Linear(3, 2, bias=False)
preconditioner = Preconditioner(layer)
for x in torch.randn(2, 4, 3):
    layer.weight.grad = None
    layer(x).square().mean().backward()
    preconditioner.step()
