# framework: torch
# outcome: correct
"""The logits read a copy of the queue, which is then overwritten."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Contrast(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("queue", torch.randn(4, 3))

    def forward(self, queries):
        logits = queries @ self.queue.clone().detach().t()
        self.queue[:1] = queries[:1].detach()
        return logits


model = Contrast()
for batch in torch.randn(2, 2, 3):
    model(batch.requires_grad_()).sum().backward()
queue = model.queue.clone()
CHECKED = (lambda q: (q @ queue.t()).sum(), (torch.randn(2, 3, requires_grad=True),))
