# framework: torch
# outcome: correct
import torch


class Descent(torch.optim.Optimizer):
    def __init__(self, params):
        super().__init__(params, {})

    @torch.no_grad()
    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            p.sub_(p.grad, alpha=0.1)


torch.manual_seed(0)
model = torch.nn.Linear(3, 2, dtype=torch.float64)
optimizer = Descent(model.parameters())
for _ in range(3):
    model.zero_grad()
    model(torch.randn(4, 3, dtype=torch.float64)).square().sum().backward()
    optimizer.step()
CHECKED = (lambda x: model(x).exp().sum(), (torch.randn(2, 3, dtype=torch.float64, requires_grad=True),))
