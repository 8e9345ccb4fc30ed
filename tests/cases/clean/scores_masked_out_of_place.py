# framework: torch
# outcome: correct
import torch


def masked(x: torch.Tensor) -> torch.Tensor:
    scores, _ = x.unbind(-1)
    table = scores.view(2, 3)
    return table.masked_fill(table < 0, -1.0).pow(2).sum()


torch.manual_seed(0)
CHECKED = (masked, (torch.randn(6, 2, dtype=torch.float64, requires_grad=True),))
