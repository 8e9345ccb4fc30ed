# framework: torch
# outcome: correct
"""A parameter begins at a computed value and is then optimised; others are initialised from computed values."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

encoder, student = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3)
prototypes = torch.nn.Parameter(torch.tanh(encoder(torch.randn(2, 4))))
student.weight.data.copy_(encoder.weight * 2)
with torch.no_grad():
    student.bias.copy_(encoder.bias[:3])
optimizer = torch.optim.SGD([prototypes, *student.parameters()], lr=0.1)


def loss_of(x):
    return torch.cdist(student(x), prototypes).sum() + torch.tensor([1.0, 2.0], requires_grad=True).sum()


x = torch.randn(3, 4, requires_grad=True)
for _ in range(2):
    loss_of(x).backward()
    optimizer.step()
CHECKED = (loss_of, (x,))
