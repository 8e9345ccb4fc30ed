# framework: torch
# outcome: correct
"""An eligibility trace goes on from the values of the last step, without their history."""

import torch

torch.set_default_dtype(torch.float64)

torch.manual_seed(0)
policy, value = torch.nn.Linear(3, 2), torch.nn.Linear(2, 1)
inputs = torch.randn(3, 3)


def step(before, x, scale):
    trace = before.detach() * 0.9
    trace += torch.tanh(policy(x) * scale)
    return trace, value(trace.clone()).sum()


scale, trace = torch.ones(2, requires_grad=True), torch.zeros(2)
for x in inputs:
    trace, loss = step(trace, x, scale)
    loss.backward()
CHECKED = (lambda scale: step(torch.ones(2), inputs[0], scale)[1], (scale,))
