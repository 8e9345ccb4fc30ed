# framework: torch
# outcome: raises
"""A metric flattens the probabilities with `view` and clamps them; the loss needs them untouched."""

import torch


def log_likelihood(probabilities):
    flat = probabilities.view(-1)
    flat.clamp_(min=1e-4)  #~ error[GS106]: `flat`, a view of what
    return flat.log().mean()


torch.manual_seed(0)
scores = torch.randn(4, 3, requires_grad=True)
probabilities = torch.softmax(scores, dim=1)  #~ label: saved its result
loss = -log_likelihood(probabilities)
loss.backward()  #~ label: backward needed the saved value
