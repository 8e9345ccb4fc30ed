# framework: torch
# outcome: raises
#~ missed-by: fix (where to cut the graph is for a person to decide)
"""A recurrent network that carries its hidden state from batch to batch without detaching it."""

import torch
from torch import nn

torch.manual_seed(0)
cell = nn.RNNCell(3, 5)
readout = nn.Linear(5, 1)
optimizer = torch.optim.SGD([*cell.parameters(), *readout.parameters()], lr=0.05)

hidden = torch.zeros(2, 5)
for batch in torch.randn(4, 2, 3):
    hidden = cell(batch, hidden)  #~ label: saved  #~ label: `hidden` brings the earlier graph along
    loss = readout(hidden).pow(2).mean()
    optimizer.zero_grad()
    loss.backward(retain_graph=True)  #~ label: backward needed the saved value
    optimizer.step()  #~ error[GS103]: while a graph of an earlier step that saved it was still in use
