# framework: torch
# outcome: correct
"""States that are no views may be cut in place, and views by `detach()`."""

import torch


def states(x):
    hidden = torch.tanh(x * 2)
    kept = (hidden * 3).exp()
    hidden.detach_()
    layers = [layer.detach() for layer in hidden]
    return (kept * torch.stack(layers).detach()).sum() * 0 + kept.sum()


CHECKED = (states, (torch.tensor([[0.3, 0.5], [0.1, -0.4]], dtype=torch.float64, requires_grad=True),))
