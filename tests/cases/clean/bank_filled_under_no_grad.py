# framework: torch
# outcome: correct
"""A bank, a table of class means and a mask take values under no_grad; what computed them learns by the loss."""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Contrast(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.gate = nn.Linear(4, 3), nn.Linear(4, 1)
        self.register_buffer("bank", torch.randn(6, 3))
        self.register_buffer("means", torch.zeros(2, 3))
        self.at = 0

    def forward(self, x, labels):
        h = torch.tanh(self.encoder(x)) * torch.sigmoid(self.gate(x))
        if self.training:
            with torch.no_grad():
                self.bank[self.at : self.at + len(x)] = h
                self.means.index_copy_(
                    0, labels.unique(), torch.stack([h[labels == k].mean(0) for k in labels.unique()])
                )
                self.at = (self.at + len(x)) % len(self.bank)
        return (h @ self.bank.clone().t()).logsumexp(1).sum() + (h - self.means[labels]).pow(2).sum()


model = Contrast()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
labels = torch.tensor([0, 1, 0])
for _ in range(3):
    optimizer.zero_grad()
    model(torch.randn(3, 4), labels).backward()
    optimizer.step()
model.eval()


def loss_of(x):
    return model(x, labels)


CHECKED = (loss_of, (torch.randn(3, 4, requires_grad=True),))
