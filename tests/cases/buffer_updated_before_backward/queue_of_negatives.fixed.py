# framework: torch
# outcome: raises
"""Contrastive learning with a queue: the logits are computed from it, then new keys are pushed."""

import torch
import torch.nn.functional as F
from torch import nn


class Contrast(nn.Module):
    def __init__(self, width, length):
        super().__init__()
        self.encoder = nn.Linear(6, width)
        self.register_buffer("queue", F.normalize(torch.randn(length, width), dim=1))
        self.position = 0

    @torch.no_grad()
    def push(self, keys):
        end = self.position + len(keys)
        self.queue[self.position : end] = keys
        self.position = end % len(self.queue)

    def forward(self, images, positives):
        queries = F.normalize(self.encoder(images), dim=1)
        with torch.no_grad():
            keys = F.normalize(self.encoder(positives), dim=1)
        logits = torch.einsum("nc,kc->nk", queries, self.queue.clone())
        self.push(keys)
        return logits


torch.manual_seed(0)
model = Contrast(4, 8)
loss = F.cross_entropy(model(torch.randn(2, 6), torch.randn(2, 6)), torch.zeros(2, dtype=torch.long))
loss.backward()
