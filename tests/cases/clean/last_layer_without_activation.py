# framework: torch
# outcome: correct
"""All layers but the last end in an activation that saves its result: the result of the last may be masked in place."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Encoder(nn.Module):
    def __init__(self, size, n_layers):
        super().__init__()
        self.n_layers = n_layers
        self.layers = nn.ModuleList(nn.Linear(size, size) for _ in range(n_layers))

    def forward(self, x, lengths):
        for i in range(self.n_layers):
            x = self.layers[i](x)
            if i < self.n_layers - 1:
                x = torch.tanh(x)
        x.masked_fill_(torch.arange(x.size(1))[None, :, None] >= lengths[:, None, None], 0.0)
        return x


encoder = Encoder(3, 3)


def loss_of(x):
    return encoder(x, torch.tensor([2, 4])).pow(2).sum()


loss_of(torch.randn(2, 4, 3)).backward()
CHECKED = (loss_of, (torch.randn(2, 4, 3, requires_grad=True),))
