# framework: torch
# outcome: correct
"""In-place activations on what pooling, concatenation and addition returned."""

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def loss_of(x):
    pooled = F.avg_pool1d(x, 2)
    pooled.relu_()
    joined = torch.cat([pooled, pooled], dim=1)
    F.elu(joined, inplace=True)
    padded = F.pad(joined, (1, 1))
    padded.neg_()
    return padded.sum()


loss_of(torch.randn(1, 1, 6, requires_grad=True)).backward()
CHECKED = (loss_of, (torch.randn(1, 1, 6, requires_grad=True),))
