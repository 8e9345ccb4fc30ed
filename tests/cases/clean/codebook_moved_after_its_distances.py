# framework: torch
# outcome: correct
"""Distances to the words of a codebook only choose among them; the words move afterwards, in place."""

import torch

POINTS = torch.tensor([[0.2, -0.4], [0.9, 0.1], [-0.3, 0.8]], dtype=torch.float64, requires_grad=True)


class Codebook(torch.nn.Module):
    def __init__(self):
        super().__init__()
        words = torch.tensor([[0.5, 0.5], [-0.5, 0.25], [0.0, -1.0]], dtype=torch.float64)
        self.register_buffer("words", words)

    def forward(self, points):
        distances = torch.cdist(points, self.words)
        chosen = distances.argmin(dim=1)
        quantised = self.words[chosen]
        commitment = (points - quantised).square().mean()
        with torch.no_grad():
            for word in range(len(self.words)):
                members = points[chosen == word]
                if len(members):
                    self.words[word] += 0.1 * (members.mean(dim=0) - self.words[word])
        return points + (quantised - points).detach(), commitment


def loss_of(points):
    straight, commitment = Codebook()(points)
    return commitment + (0 * straight).sum()


CHECKED = (loss_of, (POINTS,))
