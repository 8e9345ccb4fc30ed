# framework: torch
# outcome: correct
"""A router normalises the selected scores in place: `topk` saves indices, not values."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Router(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(3, 4)

    def forward(self, tokens):
        scores = torch.softmax(self.gate(tokens), dim=-1)
        weights, experts = torch.topk(scores, 2, dim=-1)
        weights /= weights.sum(dim=-1, keepdim=True).detach()
        weights *= 2.5
        return weights, experts


router = Router()
router(torch.randn(5, 3))[0].pow(2).sum().backward()
fixed = torch.randn(2, 3)
CHECKED = (
    lambda scores: scores.softmax(-1).gather(1, torch.tensor([[0, 1], [2, 0]])).mul_(2.5).sum(),
    (torch.randn(2, 4, requires_grad=True),),
)
