# framework: torch
# outcome: raises
import torch


class Descent(torch.optim.Optimizer):
    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(p.grad, alpha=group["lr"])


torch.manual_seed(0)
encoder, head = torch.nn.Linear(3, 4), torch.nn.Linear(4, 1)
optimizer = Descent(head.parameters(), lr=0.1)
h = encoder(torch.randn(5, 3))
copies = {name: each.clone() for name, each in head.named_parameters()}
loss, penalty = torch.func.functional_call(head, copies, (h,)).square().mean(), torch.func.functional_call(head, copies, (h.tanh(),)).exp().mean()
loss.backward(retain_graph=True)
optimizer.step()
penalty.backward()
