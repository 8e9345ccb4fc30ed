# framework: torch
# outcome: raises
"""A pose is optimised; after each step its angle is wrapped around, by a computation with the pose itself."""

import math

import torch

torch.manual_seed(0)
pose = torch.tensor([0.1, 3.1]).requires_grad_()
optimizer = torch.optim.SGD([pose], lr=0.5)
for target in torch.randn(2, 2):
    optimizer.zero_grad()
    loss = (torch.stack([pose[0], torch.sin(pose[1])]) - target).square().sum()
    loss.backward()
    optimizer.step()
    pose[1] = (pose[1] + math.pi) % (2 * math.pi) - math.pi  #~ error[GS202]: was refused on
