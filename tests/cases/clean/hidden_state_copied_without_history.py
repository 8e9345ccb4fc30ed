# framework: torch
# outcome: correct
import torch

torch.manual_seed(0)
cell = torch.nn.RNNCell(2, 3).double()
hidden = torch.zeros(4, 3, dtype=torch.float64)
chunks = torch.randn(2, 3, 4, 2, dtype=torch.float64)


def run(chunk, weight):
    h = hidden.clone()
    for x in chunk:
        h = cell(x * weight, h)
    return h


for chunk in chunks:
    h = run(chunk, 1.0)
    h.square().mean().backward()
    hidden.copy_(h.detach())


def loss(weight):
    return run(chunks[0], weight).square().mean()


CHECKED = (loss, (torch.ones(2, dtype=torch.float64, requires_grad=True),))
