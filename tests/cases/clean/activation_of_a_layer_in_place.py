# framework: torch
# outcome: correct
import torch


def shifted(x):
    return x.mul_(2.0).tanh()  # the linear layer before keeps no result


torch.manual_seed(0)
layer = torch.nn.TransformerEncoderLayer(2, 1, 3, dropout=0.0, activation=shifted, dtype=torch.float64)
CHECKED = (lambda x: layer(x).square().sum(), (torch.randn(2, 1, 2, dtype=torch.float64, requires_grad=True),))
