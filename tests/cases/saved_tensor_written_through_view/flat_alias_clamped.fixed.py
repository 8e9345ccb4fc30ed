# framework: torch
# outcome: raises
"""A metric flattens the probabilities with `view` and clamps them; the loss needs them untouched."""

import torch


def log_likelihood(probabilities):
    flat = probabilities.view(-1)
    flat = flat.clamp(min=1e-4)
    return flat.log().mean()


torch.manual_seed(0)
scores = torch.randn(4, 3, requires_grad=True)
probabilities = torch.softmax(scores, dim=1)
loss = -log_likelihood(probabilities)
loss.backward()
