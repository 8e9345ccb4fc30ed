# framework: torch
# outcome: raises
#~ missed-by: static (told at the call of the step)
import torch


class Descent(torch.optim.Optimizer):
    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(p.grad, alpha=group["lr"])  #~ error[GS102]: `weight` was updated by `Descent.step`


torch.manual_seed(0)
encoder, head = torch.nn.Linear(3, 4), torch.nn.Linear(4, 1)
optimizer = Descent(head.parameters(), lr=0.1)
h = encoder(torch.randn(5, 3))
loss, penalty = head(h).square().mean(), head(h.tanh()).exp().mean()  #~ label: `linear` saved its `weight`
loss.backward(retain_graph=True)
optimizer.step()  #~ label: the step was called here
penalty.backward()
