# framework: torch
# outcome: correct
"""Gradients that are views of a bucket: zeroed in place, given anew, copied into it, or left for the leaf's own step."""

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Bucket:
    def __init__(self, parameters):
        self.parameters = parameters
        self.memory = torch.zeros(sum(p.numel() for p in parameters))
        start, self.views = 0, []
        for p in parameters:
            self.views.append(self.memory[start : start + p.numel()].view_as(p))
            start += p.numel()
        self.link()

    def link(self):
        for p, view in zip(self.parameters, self.views):
            p.grad = view

    def fill(self):
        for p, view in zip(self.parameters, self.views):
            view.copy_(p.grad)


model = torch.nn.Linear(3, 2)
flat = torch.nn.Parameter(torch.zeros(8))
optimizer, own = torch.optim.SGD([flat], lr=0.1), torch.optim.SGD(torch.nn.Linear(2, 2).parameters(), lr=0.1)
bucket = Bucket(list(model.parameters()))


def step():
    flat.grad = bucket.memory.clone()
    optimizer.step()


def pass_backward():
    model(torch.eye(3)).pow(2).sum().backward()


model.zero_grad(set_to_none=False)
pass_backward()
step()

model.zero_grad()
bucket.memory.zero_()
bucket.link()
pass_backward()
step()

model.zero_grad()
pass_backward()
bucket.fill()
step()

stepped = torch.optim.SGD(model.parameters(), lr=0.1)
model.zero_grad()
pass_backward()
own.step()
stepped.step()


def loss_of(x):
    return model(x).pow(2).sum()


CHECKED = (loss_of, (torch.randn(2, 3, requires_grad=True),))
