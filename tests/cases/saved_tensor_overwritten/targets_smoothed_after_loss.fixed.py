# framework: torch
# outcome: raises
"""Label smoothing writes into the targets that the first loss term saved."""

import torch
import torch.nn.functional as F


def asymmetric_loss(logits, targets, smoothing):
    probability = torch.sigmoid(logits)
    positive = -(targets.clone() * torch.log(probability)).sum()
    targets.mul_(1 - smoothing)
    negative = F.softplus(logits).sum()
    return positive + negative + targets.sum()


torch.manual_seed(0)
logits = torch.randn(4, 3, requires_grad=True)
targets = torch.eye(4, 3)
asymmetric_loss(logits, targets, 0.1).backward()
