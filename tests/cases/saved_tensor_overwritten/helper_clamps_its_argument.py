# framework: torch
# outcome: raises
"""A helper in another file writes into its argument."""

import torch
from parts_probabilities import keep_away_from_zero

torch.manual_seed(0)
weight = torch.randn(6, 3, requires_grad=True)
probabilities = torch.softmax(torch.randn(4, 6) @ weight, dim=1)  #~ label: saved its result
entropy = -(keep_away_from_zero(probabilities).log() * 0.25).sum()
entropy.backward()  #~ label: backward needed the saved value
