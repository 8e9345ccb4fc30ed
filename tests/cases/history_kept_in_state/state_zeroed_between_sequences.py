# framework: torch
# outcome: raises
#~ missed-by: static (what a backward frees is not followed)
#~ missed-by: fix (the repair ends the gradient where the step begins, which is for the programmer to say)
import torch


class Neuron(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.decay = torch.nn.Parameter(torch.tensor(0.9))
        self.v = torch.zeros(3)

    def forward(self, x):
        self.v = self.decay * self.v + x
        return torch.sigmoid(self.v)


neuron = Neuron()
for _ in range(2):
    neuron.v.zero_()  #~ error[GS109]: `neuron.v` was overwritten in place, and kept the history
    total = sum(neuron(torch.ones(3)) for _ in range(3))
    total.sum().backward()
