# framework: torch
# outcome: raises
#~ missed-by: fix (where to cut the graph is for a person to decide)
"""The loss is summed over the epoch, and every batch runs a backward over the sum."""

import torch
from torch import nn


def fit(model, batches):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    total = 0.0
    for inputs, targets in batches:
        prediction = model(inputs)  #~ label: saved
        total = total + nn.functional.mse_loss(prediction, targets)  #~ label: `total` brings the earlier graph along
        optimizer.zero_grad()
        total.backward(retain_graph=True)  #~ label: backward needed the saved value
        optimizer.step()  #~ error[GS103]: while a graph of an earlier step that saved it was still in use
    return float(total)


torch.manual_seed(0)
fit(
    nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)),
    [(torch.randn(5, 3), torch.randn(5, 1)) for _ in range(3)],
)
