# framework: torch
# outcome: correct
"""How far points lie from copies of the words of a codebook, which move before the backward."""

import torch

POINTS = torch.tensor([[0.2, -0.4], [0.9, 0.1], [-0.3, 0.8]], dtype=torch.float64, requires_grad=True)


def loss_of(points):
    words = torch.tensor([[0.5, 0.5], [-0.5, 0.25]], dtype=torch.float64)
    shares = torch.softmax(-torch.cdist(points, words.clone()), dim=1)
    words += 0.1 * (shares.detach().T @ points.detach() - words)
    return shares.square().sum()


CHECKED = (loss_of, (POINTS,))
