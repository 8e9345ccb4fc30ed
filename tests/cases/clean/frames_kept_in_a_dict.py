# framework: torch
# outcome: correct
"""A dict that is handed down is set by key, and holds tensors that operations save: setting an item mutates none."""

import torch
import torch.nn.functional as F
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Causal(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.conv = nn.Conv1d(size, size, 3)

    def forward(self, x, cache):
        padded = F.pad(x, (1, 1), mode="replicate")
        before = padded[:, :, :1] if cache["padding"] is None else cache["padding"]
        cache["padding"] = padded[:, :, -1:].detach()
        return self.conv(torch.cat([before, padded], dim=2))


class Scaled(nn.Module):
    def forward(self, x, cache=None):
        if cache is not None and cache.get("mean") is None:
            cache["mean"] = x.mean()
            cache["scale"] = 2
        return x * cache["mean"]


class Decoder(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.causal, self.scaled = Causal(size), Scaled()

    def forward(self, x, cache):
        return self.scaled(self.causal(x, cache["causal"]), cache["scaled"])


decoder = Decoder(2)


def loss_of(x):
    cache = {"causal": {"padding": None}, "scaled": {"mean": None}}
    return decoder(x, cache).pow(2).sum()


loss_of(torch.randn(1, 2, 5)).backward()
CHECKED = (loss_of, (torch.randn(1, 2, 5, requires_grad=True),))
