# framework: torch
# outcome: raises
"""An adversarial patch is pasted into the image whose gradient is asked for."""

import torch
from torch import nn


def attack(model, image, patch):
    image.requires_grad_(True)
    with torch.no_grad():
        image[..., :2, :2] = patch
    loss = model(image.flatten(1)).sum()
    loss.backward()
    return image.grad


torch.manual_seed(0)
attack(nn.Linear(16, 2), torch.rand(1, 4, 4), torch.zeros(2, 2))
