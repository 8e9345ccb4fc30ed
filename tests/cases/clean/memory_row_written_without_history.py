# framework: torch
# outcome: correct
"""What a memory keeps for the next step has no history; the step itself reads the value that has."""

import torch

torch.set_default_dtype(torch.float64)

torch.manual_seed(0)
encode, read = torch.nn.Linear(2, 3), torch.nn.Linear(3, 1)
inputs = torch.randn(3, 2)


def loss_of(scale):
    memory, total = torch.zeros(2, 3), 0.0
    for step in range(3):
        recalled = memory.clone()
        h = torch.tanh(encode(inputs[step]) * scale)
        memory[step % 2] = torch.ones(3) * step
        total = total + read(recalled).sum() + read(h).sum()
    return total


scale = torch.ones(3, requires_grad=True)
memory = torch.zeros(2, 3)
for step in range(3):
    recalled = memory.clone()
    h = torch.tanh(encode(inputs[step]) * scale)
    memory[step % 2] = h.detach()
    (read(recalled).sum() + read(h).sum()).backward()
CHECKED = (loss_of, (scale,))
